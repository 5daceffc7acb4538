/* Ranks images for a sentence, best first:
 *
 *     search MODEL SENTENCE IMAGE...
 *     search demo "a white square below a red star" examples/drawings/?*.png
 */
#include <clippie.h>

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 5 };

typedef struct {
    float cosine;
    const char *path;
} ranked;

static int best_first(const void *a, const void *b)
{
    const ranked *left = a, *right = b;
    return (left->cosine < right->cosine) - (left->cosine > right->cosine);
}

static int rank(const clippie_model *model, const char *sentence, char **paths, size_t count, clippie_error **error)
{
    const size_t dim = clippie_model_embed_dim(model);
    clippie_image *images = calloc(count, sizeof *images);
    clippie_error **failed = calloc(count, sizeof *failed); /* one place for the error of each image */
    float *rows = calloc(count, dim * sizeof *rows);
    float *query = calloc(dim, sizeof *query);
    float *cosines = calloc(count, sizeof *cosines);
    ranked *results = calloc(count, sizeof *results);
    size_t usable = 0;
    int status = CLIPPIE_ERROR_MEMORY;

    if (images && failed && rows && query && cosines && results) {
        for (size_t i = 0; i < count; i++)
            images[i] = clippie_image_path(paths[i]);
        status = clippie_encode_texts(model, &sentence, NULL, 1, query, dim, NULL, NULL, error);
        if (status == CLIPPIE_OK)
            status = clippie_encode_images(model, images, count, rows, count * dim, NULL, failed, error);
        if (status == CLIPPIE_OK || status == CLIPPIE_SOME_FAILED)
            status = clippie_similarity(query, rows, count, dim, cosines, error);
    }
    if (status == CLIPPIE_OK) {
        for (size_t i = 0; i < count; i++) {
            if (failed[i])
                fprintf(stderr, "%s\n", clippie_error_message(failed[i]));
            else
                results[usable++] = (ranked){cosines[i], paths[i]};
        }
        qsort(results, usable, sizeof *results, best_first);
        printf("%zu pictures; best for \"%s\":\n", usable, sentence);
        for (size_t i = 0; i < usable && i < SHOWN; i++)
            printf("%.4f  %s\n", (double)results[i].cosine, results[i].path);
    }

    if (failed)
        clippie_errors_free(failed, count);
    free(images);
    free(failed);
    free(rows);
    free(query);
    free(cosines);
    free(results);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: search MODEL SENTENCE IMAGE...\n");
        return 2;
    }
    clippie_error *error = NULL;
    int status = CLIPPIE_ERROR_IO;
    clippie_model *model = clippie_load(argv[1], NULL, NULL, NULL, NULL, &error);
    if (model)
        status = rank(model, argv[2], argv + 3, (size_t)argc - 3, &error);
    if (error)
        fprintf(stderr, "error: %s\n", clippie_error_message(error));
    else if (status == CLIPPIE_ERROR_MEMORY)
        fprintf(stderr, "error: out of memory\n");
    clippie_error_free(error);
    clippie_model_free(model);
    return status == CLIPPIE_OK ? 0 : 1;
}
