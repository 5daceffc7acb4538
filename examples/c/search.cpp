// Ranks images for a sentence, best first, with owners that free what the library gives:
//
//     search MODEL SENTENCE IMAGE...
//     search demo "a white square below a red star" examples/drawings/?*.png
#include <clippie.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t SHOWN = 5;

struct Free {
    void operator()(clippie_model *model) const { clippie_model_free(model); }
    void operator()(clippie_error *error) const { clippie_error_free(error); }
};
using Model = std::unique_ptr<clippie_model, Free>;
using Error = std::unique_ptr<clippie_error, Free>;

// Throws the error that a call has written, if any.
void check(clippie_error *written)
{
    const Error error(written);
    if (error)
        throw std::runtime_error(clippie_error_message(error.get()));
}

Model open(const char *name)
{
    clippie_error *error = nullptr;
    Model model(clippie_load(name, nullptr, nullptr, nullptr, nullptr, &error));
    check(error);
    return model;
}

std::vector<float> encode(const clippie_model &model, const char *text)
{
    std::vector<float> row(clippie_model_embed_dim(&model));
    clippie_error *error = nullptr;
    clippie_encode_texts(&model, &text, nullptr, 1, row.data(), row.size(), nullptr, nullptr, &error);
    check(error);
    return row;
}

struct Encoded {
    std::vector<float> rows;
    std::vector<Error> failed; // null for images that were encoded
};

Encoded encode(const clippie_model &model, const std::vector<const char *> &paths)
{
    std::vector<clippie_image> images;
    for (const char *path : paths)
        images.push_back(clippie_image_path(path));
    std::vector<float> rows(paths.size() * clippie_model_embed_dim(&model));
    std::vector<clippie_error *> failed(paths.size());
    clippie_error *error = nullptr;
    clippie_encode_images(&model, images.data(), images.size(), rows.data(), rows.size(), nullptr, failed.data(), &error);
    Encoded encoded{std::move(rows), {}};
    for (clippie_error *one : failed)
        encoded.failed.emplace_back(one);
    check(error);
    return encoded;
}

void rank(const char *name, const char *sentence, const std::vector<const char *> &paths)
{
    const Model model = open(name);
    const std::vector<float> query = encode(*model, sentence);
    const Encoded images = encode(*model, paths);
    std::vector<float> cosines(paths.size());
    clippie_error *error = nullptr;
    clippie_similarity(query.data(), images.rows.data(), paths.size(), query.size(), cosines.data(), &error);
    check(error);

    std::vector<std::pair<float, const char *>> ranked;
    for (std::size_t i = 0; i < paths.size(); i++) {
        if (images.failed[i])
            std::fprintf(stderr, "%s\n", clippie_error_message(images.failed[i].get()));
        else
            ranked.emplace_back(cosines[i], paths[i]);
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](auto &a, auto &b) { return a.first > b.first; });
    std::printf("%zu pictures; best for \"%s\":\n", ranked.size(), sentence);
    ranked.resize(std::min(ranked.size(), SHOWN));
    for (const auto &[cosine, path] : ranked)
        std::printf("%.4f  %s\n", static_cast<double>(cosine), path);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 4) {
        std::fprintf(stderr, "usage: search MODEL SENTENCE IMAGE...\n");
        return 2;
    }
    try {
        rank(argv[1], argv[2], std::vector<const char *>(argv + 3, argv + argc));
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
