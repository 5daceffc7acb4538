/* Calls every function of the C library as it should be called, and as it should not: null pointers, wrong lengths,
 * unusable inputs, several threads. Ends with the first expectation that does not hold.
 *
 *     check IMAGE IMAGE     two different images that can be read
 */
#define _GNU_SOURCE
#include <clippie.h>

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPECT(condition)                                                                 \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "check.c:%d: not so: %s\n", __LINE__, #condition);            \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

enum { DIM = 64, MANY = 8 };

static const char *first, *second;

static void *all(size_t count, size_t size)
{
    void *memory = malloc(count * size);
    EXPECT(memory);
    memset(memory, 0xa5, count * size); /* what a call must not take for its own */
    return memory;
}

/* Expects an error of this status whose message has `part`, and frees it. */
static void expect_error(clippie_error *error, clippie_status status, const char *part, int64_t index)
{
    EXPECT(error);
    if (clippie_error_status(error) != status || !strstr(clippie_error_message(error), part) ||
        clippie_error_index(error) != index) {
        fprintf(stderr, "status %d, index %lld: %s\n", (int)clippie_error_status(error),
                (long long)clippie_error_index(error), clippie_error_message(error));
        EXPECT(!"the error is as expected");
    }
    clippie_error_free(error);
}

static clippie_model *demo(size_t threads, clippie_towers towers)
{
    clippie_error *error = NULL;
    clippie_options *options = clippie_options_new();
    EXPECT(clippie_options_set_threads(options, threads) == CLIPPIE_OK);
    EXPECT(clippie_options_set_towers(options, towers) == CLIPPIE_OK);
    clippie_model *model = clippie_open_demo(options, &error);
    EXPECT(model && !error);
    clippie_options_free(options);
    return model;
}

static char *contents(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    EXPECT(file);
    char *bytes = all(1 << 20, 1);
    *size = fread(bytes, 1, 1 << 20, file);
    EXPECT(*size > 0 && *size < 1 << 20 && fclose(file) == 0);
    return bytes;
}

static int running(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    EXPECT(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* The system lists a thread for a moment after it was waited for. */
static void expect_running(int count)
{
    for (int i = 0; i < 1000 && running() != count; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    EXPECT(running() == count);
}

static void nothing_at_all(const clippie_model *model)
{
    clippie_error *error = NULL, *none[1];
    float row[DIM];
    char text[4] = "abc";
    clippie_error_free(NULL);
    clippie_errors_free(NULL, 3);
    clippie_options_free(NULL);
    clippie_cancel_free(NULL);
    clippie_cancel_set(NULL);
    clippie_model_free(NULL);
    clippie_model_release(NULL);
    EXPECT(!clippie_cancel_is_set(NULL));
    EXPECT(clippie_error_status(NULL) == CLIPPIE_OK && clippie_error_index(NULL) == -1);
    EXPECT(strcmp(clippie_error_message(NULL), "") == 0 && !clippie_error_path(NULL));
    EXPECT(clippie_model_embed_dim(NULL) == 0 && isnan(clippie_model_logit_scale(NULL)));
    EXPECT(isnan(clippie_model_logit_bias(NULL)) && isnan(clippie_model_probability(NULL, 0.5f)));
    EXPECT(clippie_model_fingerprint(NULL, text, sizeof text) == 0 && text[0] == 0);
    EXPECT(clippie_options_set_towers(NULL, 0) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_threads(NULL, 0) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_batch_size(NULL, 0) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_normalize(NULL, true) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_orient(NULL, true) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_refuse_long_texts(NULL, true) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_copy_weights(NULL, true) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_language(NULL, "de") == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_isa(NULL, "sse") == CLIPPIE_ERROR_ARGUMENT);

    EXPECT(!clippie_open(NULL, NULL, NULL));
    EXPECT(!clippie_open(NULL, NULL, &error));
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "the path is a null pointer", -1);
    EXPECT(!clippie_load(NULL, NULL, NULL, NULL, NULL, &error));
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "the model is a null pointer", -1);

    const clippie_image image = clippie_image_path(first);
    const char *sentence = "a star";
    none[0] = (clippie_error *)row; /* not null, and no error */
    EXPECT(clippie_encode_images(NULL, &image, 1, row, DIM, NULL, none, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "the model is a null pointer", -1);
    EXPECT(!none[0]);
    EXPECT(clippie_encode_images(model, NULL, 1, row, DIM, NULL, NULL, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "images is a null pointer", -1);
    EXPECT(clippie_encode_images(model, &image, 1, NULL, DIM, NULL, NULL, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "out is a null pointer", -1);
    EXPECT(clippie_encode_texts(NULL, &sentence, NULL, 1, row, DIM, NULL, NULL, NULL) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_encode_texts(model, NULL, NULL, 1, row, DIM, NULL, NULL, NULL) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_encode_texts(model, NULL, NULL, 0, NULL, 0, NULL, NULL, &error) == CLIPPIE_OK && !error);
    EXPECT(clippie_encode_images(model, NULL, 0, NULL, 0, NULL, none, &error) == CLIPPIE_OK && !error);
    EXPECT(clippie_similarity(NULL, row, 1, DIM, row, NULL) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_similarity(row, NULL, 1, DIM, row, NULL) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_similarity(row, NULL, 0, DIM, NULL, NULL) == CLIPPIE_OK);
}

static void wrong_lengths(const clippie_model *model)
{
    clippie_error *error = NULL;
    float rows[2 * DIM];
    const clippie_image image = clippie_image_path(first);
    EXPECT(clippie_encode_images(model, &image, 1, rows, 2 * DIM, NULL, NULL, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "has 128 values; 1 inputs need 64", -1);
    EXPECT(clippie_encode_images(model, &image, SIZE_MAX, rows, DIM, NULL, NULL, NULL) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_encode_images(model, &image, SIZE_MAX, rows, SIZE_MAX, NULL, NULL, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "out cannot have", -1);
    float *aside = (float *)(void *)((char *)rows + 1);
    EXPECT(clippie_encode_images(model, &image, 1, aside, DIM, NULL, NULL, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "out is not aligned to 4 bytes", -1);
    EXPECT(clippie_similarity(rows, rows, SIZE_MAX, DIM, rows, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "no memory holds", -1);
}

static void opening(void)
{
    clippie_error *error = (clippie_error *)&error; /* what is there before does not matter */
    clippie_options *options = clippie_options_new();
    EXPECT(!clippie_open("no/such.clippie", NULL, &error));
    EXPECT(strcmp(clippie_error_path(error), "no/such.clippie") == 0);
    expect_error(error, CLIPPIE_ERROR_IO, "no/such.clippie: no such file", -1);
    EXPECT(!clippie_open(first, options, &error));
    expect_error(error, CLIPPIE_ERROR_WEIGHTS, first, -1);
    EXPECT(!clippie_load("mobileclip2-s9", options, NULL, NULL, NULL, &error));
    expect_error(error, CLIPPIE_ERROR_OPTION, "no model is called", -1);

    EXPECT(clippie_options_set_towers(options, 9) == CLIPPIE_OK);
    EXPECT(!clippie_open_demo(options, &error));
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "9 is none of the constants CLIPPIE_TOWERS_", -1);
    EXPECT(clippie_options_set_towers(options, CLIPPIE_TOWERS_TEXT) == CLIPPIE_OK);
    EXPECT(clippie_options_set_isa(options, "mmx") == CLIPPIE_OK);
    EXPECT(!clippie_open_demo(options, &error));
    expect_error(error, CLIPPIE_ERROR_OPTION, "the instruction set is \"mmx\", which is not", -1);
    EXPECT(clippie_options_set_isa(options, NULL) == CLIPPIE_OK);
    EXPECT(clippie_options_set_language(options, "de") == CLIPPIE_OK);
    EXPECT(!clippie_open_demo(options, &error));
    expect_error(error, CLIPPIE_ERROR_TEXT, "language", -1);
    EXPECT(clippie_options_set_towers(options, CLIPPIE_TOWERS_IMAGE) == CLIPPIE_OK);
    EXPECT(!clippie_open_demo(options, &error));
    expect_error(error, CLIPPIE_ERROR_OPTION, "for images alone", -1);
    clippie_options_free(options);

    EXPECT(strcmp(clippie_status_name(CLIPPIE_ERROR_IMAGE), "unusable image") == 0);
    EXPECT(strcmp(clippie_status_name(-5), "unknown status") == 0);
    EXPECT(clippie_abi_version() == CLIPPIE_ABI_VERSION && strchr(clippie_version(), '.'));
    clippie_allow_amx();
}

/* The options reach the model; either tower works without the other. */
static void options_and_towers(const clippie_model *model)
{
    clippie_error *error = NULL;
    float row[DIM], other[DIM];
    char both[33], one[33], part[9];
    const char *sentence = "a red star";
    const clippie_image image = clippie_image_path(first);
    EXPECT(clippie_model_embed_dim(model) == DIM && clippie_model_logit_scale(model) > 1);
    EXPECT(isnan(clippie_model_logit_bias(model)) && isnan(clippie_model_probability(model, 0.5f)));
    EXPECT(clippie_model_fingerprint(model, both, sizeof both) == 32 && strlen(both) == 32);
    EXPECT(clippie_model_fingerprint(model, part, sizeof part) == 32 && strlen(part) == 8);
    EXPECT(memcmp(part, both, 8) == 0 && clippie_model_fingerprint(model, NULL, 0) == 32);

    clippie_model *images = demo(1, CLIPPIE_TOWERS_IMAGE);
    EXPECT(clippie_encode_texts(images, &sentence, NULL, 1, row, DIM, NULL, NULL, &error) == CLIPPIE_ERROR_OPTION);
    expect_error(error, CLIPPIE_ERROR_OPTION, "opened for images alone", -1);
    EXPECT(clippie_encode_images(images, &image, 1, row, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    EXPECT(clippie_encode_images(model, &image, 1, other, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    EXPECT(memcmp(row, other, sizeof row) == 0);
    EXPECT(clippie_model_fingerprint(images, one, sizeof one) == 32 && strcmp(one, both) == 0);
    EXPECT(clippie_model_logit_scale(images) == clippie_model_logit_scale(model));
    clippie_model_release(images);
    clippie_model_free(images);

    clippie_options *options = clippie_options_new();
    EXPECT(clippie_options_set_towers(options, CLIPPIE_TOWERS_TEXT) == CLIPPIE_OK);
    EXPECT(clippie_options_set_normalize(options, false) == CLIPPIE_OK);
    EXPECT(clippie_options_set_orient(options, false) == CLIPPIE_OK);
    EXPECT(clippie_options_set_batch_size(options, 0) == CLIPPIE_ERROR_ARGUMENT);
    EXPECT(clippie_options_set_batch_size(options, 2) == CLIPPIE_OK);
    EXPECT(clippie_options_set_copy_weights(options, true) == CLIPPIE_OK);
    EXPECT(clippie_options_set_refuse_long_texts(options, true) == CLIPPIE_OK);
    EXPECT(clippie_options_set_isa(options, "portable") == CLIPPIE_OK);
    clippie_model *texts = clippie_load("demo", options, NULL, NULL, NULL, &error);
    EXPECT(texts && !error);
    clippie_options_free(options); /* the model has copies */
    EXPECT(clippie_encode_images(texts, &image, 1, row, DIM, NULL, NULL, &error) == CLIPPIE_ERROR_OPTION);
    expect_error(error, CLIPPIE_ERROR_OPTION, "opened for texts alone", -1);
    EXPECT(clippie_encode_texts(texts, &sentence, NULL, 1, row, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    EXPECT(clippie_encode_texts(model, &sentence, NULL, 1, other, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    float length = 0, cosine = 0;
    for (int i = 0; i < DIM; i++)
        length += row[i] * row[i];
    EXPECT(fabsf(length - 1) > 1e-3f);
    EXPECT(clippie_similarity(row, other, 1, DIM, &cosine, NULL) == CLIPPIE_OK && cosine > 0.9999f);
    EXPECT(clippie_model_fingerprint(texts, one, sizeof one) == 32 && strcmp(one, both) != 0);
    char words[2048] = "";
    for (int i = 0; i < 400; i++)
        strcat(words, "star ");
    sentence = words;
    EXPECT(clippie_encode_texts(texts, &sentence, NULL, 1, row, DIM, NULL, NULL, &error) == CLIPPIE_ERROR_TEXT);
    clippie_error_free(error);
    clippie_model_free(texts);
}

/* The same image in every form, place and number has the same bits. */
static void forms_of_images(const clippie_model *model)
{
    size_t size, other_size;
    char *bytes = contents(first, &size), *other = contents(second, &other_size);
    unsigned char packed[2 * 3 * 3], apart[2 * 16];
    for (int i = 0; i < 18; i++)
        packed[i] = (unsigned char)(i * 14);
    memset(apart, 0xee, sizeof apart);
    memcpy(apart, packed, 9);
    memcpy(apart + 16, packed + 9, 9);
    const clippie_image images[] = {
        clippie_image_path(first),
        clippie_image_bytes(other, other_size),
        clippie_image_bytes(bytes, size),
        clippie_image_rgb(packed, 18, 3, 2, 9),
        clippie_image_rgb(apart, 25, 3, 2, 16), /* ends with the last pixel */
        clippie_image_path(second),
    };
    enum { COUNT = sizeof images / sizeof *images };
    float rows[COUNT][DIM], one[DIM], cosines[COUNT];
    clippie_error *error = NULL, *failed[COUNT];
    EXPECT(clippie_encode_images(model, images, COUNT, rows[0], COUNT * DIM, NULL, failed, &error) == CLIPPIE_OK);
    EXPECT(!error);
    for (int i = 0; i < COUNT; i++)
        EXPECT(!failed[i]);
    EXPECT(memcmp(rows[0], rows[2], sizeof one) == 0 && memcmp(rows[1], rows[5], sizeof one) == 0);
    EXPECT(memcmp(rows[3], rows[4], sizeof one) == 0 && memcmp(rows[0], rows[1], sizeof one) != 0);
    EXPECT(clippie_encode_images(model, images + 5, 1, one, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    EXPECT(memcmp(rows[5], one, sizeof one) == 0);
    EXPECT(clippie_similarity(one, rows[0], COUNT, DIM, cosines, NULL) == CLIPPIE_OK);
    EXPECT(fabsf(cosines[5] - 1) < 1e-6f && cosines[0] < 0.999f && cosines[1] == cosines[5]);

    clippie_model *threads = demo(3, CLIPPIE_TOWERS_BOTH);
    float again[COUNT][DIM];
    EXPECT(clippie_encode_images(threads, images, COUNT, again[0], COUNT * DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    EXPECT(memcmp(rows, again, sizeof rows) == 0);
    clippie_model_free(threads);
    free(bytes);
    free(other);
}

static void unusable_inputs(const clippie_model *model)
{
    const unsigned char pixels[9] = {0};
    clippie_image unknown = clippie_image_path(first);
    unknown.kind = 77;
    const clippie_image images[] = {
        clippie_image_path("no/such.jpg"),       clippie_image_path(first),
        clippie_image_bytes("no photo", 8),      clippie_image_path(NULL),
        clippie_image_rgb(pixels, 9, 2, 2, 6),   unknown,
        clippie_image_rgb(pixels, 9, 0, 0, 0),   clippie_image_bytes(NULL, 5),
        clippie_image_path(second),              clippie_image_rgb(pixels, 9, SIZE_MAX, SIZE_MAX, SIZE_MAX),
    };
    enum { COUNT = sizeof images / sizeof *images };
    float *rows = all(COUNT * DIM, sizeof *rows), one[DIM];
    clippie_error *error = NULL, **failed = all(COUNT, sizeof *failed);
    EXPECT(clippie_encode_images(model, images, COUNT, rows, COUNT * DIM, NULL, failed, &error) == CLIPPIE_SOME_FAILED);
    EXPECT(!error && !failed[1] && !failed[8]);
    EXPECT(strcmp(clippie_error_path(failed[0]), "no/such.jpg") == 0 && !clippie_error_path(failed[2]));
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; failed[i] && j < DIM; j++)
            EXPECT(rows[i * DIM + j] == 0);
    for (int i = 1; i < COUNT; i += 7) {
        EXPECT(clippie_encode_images(model, images + i, 1, one, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
        EXPECT(memcmp(rows + i * DIM, one, sizeof one) == 0);
    }
    expect_error(failed[0], CLIPPIE_ERROR_IO, "no/such.jpg", 0);
    expect_error(failed[2], CLIPPIE_ERROR_IMAGE, "image 2 is not in a readable image format", 2);
    expect_error(failed[3], CLIPPIE_ERROR_ARGUMENT, "image 3: the path is a null pointer", 3);
    expect_error(failed[4], CLIPPIE_ERROR_IMAGE, "image 4: ", 4);
    expect_error(failed[5], CLIPPIE_ERROR_ARGUMENT, "image 5: its kind 77 is none of the constants", 5);
    expect_error(failed[6], CLIPPIE_ERROR_IMAGE, "image 6: ", 6);
    expect_error(failed[7], CLIPPIE_ERROR_ARGUMENT, "image 7: the file's bytes is a null pointer", 7);
    expect_error(failed[9], CLIPPIE_ERROR_IMAGE, "image 9: ", 9);

    /* Without places for errors, the first one ends the call. */
    EXPECT(clippie_encode_images(model, images + 1, 2, rows, 2 * DIM, NULL, NULL, &error) == CLIPPIE_ERROR_IMAGE);
    expect_error(error, CLIPPIE_ERROR_IMAGE, "image 1 is not", 1);
    EXPECT(clippie_encode_images(model, images + 2, 2, rows, 2 * DIM, NULL, NULL, &error) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(error, CLIPPIE_ERROR_ARGUMENT, "image 1: ", 1);

    const char *texts[] = {"a star", "\xff\xfe", NULL, "a star and more", "a\0b"};
    const size_t lengths[] = {6, 2, 4, 6, 3};
    EXPECT(clippie_encode_texts(model, texts, lengths, 5, rows, 5 * DIM, NULL, failed, &error) == CLIPPIE_SOME_FAILED);
    EXPECT(!error && !failed[0] && !failed[3] && !failed[4]);
    EXPECT(memcmp(rows, rows + 3 * DIM, sizeof one) == 0 && memcmp(rows, rows + 4 * DIM, sizeof one) != 0);
    EXPECT(clippie_error_status(failed[2]) == CLIPPIE_ERROR_ARGUMENT);
    expect_error(failed[1], CLIPPIE_ERROR_TEXT, "text 1: it is not UTF-8 from byte 0 on", 1);
    failed[1] = NULL;
    clippie_errors_free(failed, 5);
    EXPECT(!failed[2]);
    EXPECT(clippie_encode_texts(model, texts, NULL, 2, rows, 2 * DIM, NULL, NULL, &error) == CLIPPIE_ERROR_TEXT);
    expect_error(error, CLIPPIE_ERROR_TEXT, "text 1: ", 1);
    free(rows);
    free(failed);
}

struct job {
    const clippie_model *model;
    clippie_cancel *cancel;
    float rows[MANY * DIM];
    clippie_status status;
    clippie_error *failed[MANY];
};

static void *encode(void *argument)
{
    struct job *job = argument;
    clippie_image images[MANY];
    for (int i = 0; i < MANY; i++)
        images[i] = clippie_image_path(i % 2 ? first : second);
    job->status = clippie_encode_images(job->model, images, MANY, job->rows, MANY * DIM, job->cancel, job->failed, NULL);
    return NULL;
}

static void several_threads(const clippie_model *model)
{
    enum { THREADS = 4 };
    struct job *jobs = all(THREADS, sizeof *jobs);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i].model = model;
        jobs[i].cancel = NULL;
        EXPECT(pthread_create(&threads[i], NULL, encode, &jobs[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL) == 0 && jobs[i].status == CLIPPIE_OK);
        EXPECT(memcmp(jobs[0].rows, jobs[i].rows, sizeof jobs[i].rows) == 0);
    }
    clippie_model_release(model);

    /* Cancelled from another thread: what is done is right, the rest says that it was cancelled. */
    clippie_cancel *cancel = clippie_cancel_new();
    jobs[1].cancel = cancel;
    EXPECT(!clippie_cancel_is_set(cancel));
    EXPECT(pthread_create(&threads[1], NULL, encode, &jobs[1]) == 0);
    clippie_cancel_set(cancel);
    EXPECT(pthread_join(threads[1], NULL) == 0 && clippie_cancel_is_set(cancel));
    for (int i = 0; i < MANY; i++) {
        if (jobs[1].failed[i])
            EXPECT(clippie_error_status(jobs[1].failed[i]) == CLIPPIE_ERROR_CANCELLED);
        else
            EXPECT(memcmp(jobs[0].rows + i * DIM, jobs[1].rows + i * DIM, DIM * sizeof(float)) == 0);
    }
    clippie_errors_free(jobs[1].failed, MANY);
    float row[DIM];
    const char *text = "a star";
    EXPECT(clippie_encode_texts(model, &text, NULL, 1, row, DIM, cancel, NULL, NULL) == CLIPPIE_ERROR_CANCELLED);
    clippie_cancel_free(cancel);
    EXPECT(clippie_encode_texts(model, &text, NULL, 1, row, DIM, NULL, NULL, NULL) == CLIPPIE_OK);
    free(jobs);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: check IMAGE IMAGE\n");
        return 2;
    }
    first = argv[1];
    second = argv[2];
    expect_running(1);
    opening();
    clippie_model *model = demo(2, CLIPPIE_TOWERS_BOTH);
    expect_running(3);
    nothing_at_all(model);
    wrong_lengths(model);
    options_and_towers(model);
    forms_of_images(model);
    unusable_inputs(model);
    several_threads(model);
    expect_running(3);
    clippie_model_free(model);
    expect_running(1);
    puts("the C interface is as it should be");
    return 0;
}
