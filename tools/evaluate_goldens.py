"""Write tests/goldens/evaluate/metrics.json: metrics of random scores and embeddings, computed by NumPy in float64.

    python3 tools/evaluate_goldens.py tests/goldens/evaluate/metrics.json

Needs NumPy. Every metric is computed the plain way, with all pairs and full sorts.
"""

import json
import sys

import numpy as np

BINS = 15


def expected_calibration_error(confidences, correct):
    """Guo et al. 2017, equation 3, with bins that are open below and closed above."""
    edges = np.linspace(0, 1, BINS + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidences > low) & (confidences <= high)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidences[inside].mean())
    return error


def main():
    random = np.random.default_rng(18)
    photos, classes, dim = 120, 8, 16
    truth = random.integers(0, classes - 1, photos)  # nothing of the last class
    scores = random.normal(0, 0.1, (photos, classes)).round(2)  # rounded, so that some are equal
    scores[np.arange(photos), truth] += 0.12

    # Stable sorts keep the order of classes where scores are equal.
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.array([list(row).index(own) for row, own in zip(order, truth)])
    predictions = order[:, 0]
    per_class = []
    for number in range(classes):
        own = ranks[truth == number]
        count = len(own)
        per_class.append([count, float((own < 1).mean()) if count else 0.0, float((own < 5).mean()) if count else 0.0])
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (truth, predictions), 1)

    scale = 20.0
    calibration = []
    for temperature in 2.0 ** (np.arange(-12, 13) / 4):
        logits = scores * scale / temperature
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        error = expected_calibration_error(probabilities.max(axis=1), predictions == truth)
        log_loss = -np.log(probabilities[np.arange(photos), truth]).mean()
        calibration.append([float(temperature), float(error), float(log_loss)])

    rows = random.normal(0, 1, (20, dim)).astype(np.float32)
    row_classes = np.array([0] * 9 + [1] * 10 + [2])  # one photo of class 2, none of class 3
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    similarity = []
    for a in range(4):
        for b in range(4):
            pairs = np.outer(row_classes == a, row_classes == b)
            np.fill_diagonal(pairs, False)
            similarity.append(float(cosines[pairs].mean()) if pairs.any() else None)

    photo_of_text = np.concatenate([np.arange(20), random.integers(0, 20, 30)])
    texts = (unit[photo_of_text] + random.normal(0, 0.35, (50, dim))).astype(np.float32)
    unit_texts = texts.astype(np.float64)
    unit_texts /= np.linalg.norm(unit_texts, axis=1, keepdims=True)
    cosines = unit @ unit_texts.T  # [photos, texts]
    by_photo = np.argsort(-cosines, axis=1)
    by_text = np.argsort(-cosines.T, axis=1)
    recall = []
    for k in (1, 5, 10):
        photo_to_text = np.mean([(photo_of_text[order[:k]] == photo).any() for photo, order in enumerate(by_photo)])
        text_to_photo = np.mean([photo_of_text[text] in order[:k] for text, order in enumerate(by_text)])
        recall.append([float(photo_to_text), float(text_to_photo)])

    golden = {
        "scores": scores.tolist(),
        "truth": truth.tolist(),
        "ranks": ranks.tolist(),
        "predictions": predictions.tolist(),
        "top1": float((ranks < 1).mean()),
        "top5": float((ranks < 5).mean()),
        "per_class": per_class,
        "confusion": confusion.tolist(),
        "scale": scale,
        "calibration": calibration,
        "rows": rows.tolist(),
        "row_classes": row_classes.tolist(),
        "class_similarity": similarity,
        "texts": texts.tolist(),
        "photo_of_text": photo_of_text.tolist(),
        "recall": recall,
    }
    with open(sys.argv[1], "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")
    print(recall, golden["top1"], golden["top5"])


main()
