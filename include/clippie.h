/* clippie-rs: CLIP embeddings of images and texts on a CPU. docs/c.md tells how to build, link and use this.
 *
 * Made of src/capi; do not edit.
 *
 * A pointer that a function returns or writes belongs to who its comment says. "# Safety" says what a caller must ensure;
 * null pointers are an error where they are not allowed, never undefined behaviour. */

#ifndef CLIPPIE_H
#define CLIPPIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of the binary interface that this header describes. It is the number in the name of the shared library
 * and is raised with every change that breaks compiled programs.
 */
#define CLIPPIE_ABI_VERSION 0

/**
 * A flag that stops the calls that it was given to. Any number of calls may share it, and any thread may set it.
 */
typedef struct clippie_cancel clippie_cancel;

/**
 * An error. It belongs to the caller of the function that made it, who frees it with `clippie_error_free`; until then
 * any number of threads may read it.
 */
typedef struct clippie_error clippie_error;

/**
 * An opened model. It belongs to the caller, who frees it with `clippie_model_free`. Any number of threads may use it
 * at once, and processes that open the same file share its memory.
 */
typedef struct clippie_model clippie_model;

/**
 * Options for opening a model. They belong to the caller, and one thread at a time uses them. A model copies what it
 * needs: they may be changed or freed after it is open, and serve any number of models.
 */
typedef struct clippie_options clippie_options;

/**
 * How a call ended: `CLIPPIE_OK`, `CLIPPIE_SOME_FAILED` or one of the constants `CLIPPIE_ERROR_...`. Later versions may have more.
 */
typedef int32_t clippie_status;

/**
 * Which towers of a model to open: one of the constants `CLIPPIE_TOWERS_...`.
 */
typedef int32_t clippie_towers;

/**
 * Is told of a download: the `user` pointer of the call, the file as a string that ends with the call, its bytes so far
 * and in all. Called by the thread that opens the model. It must return: no exception, no `longjmp`.
 */
typedef void (*clippie_progress)(void *user, const char *file, uint64_t done, uint64_t total);

/**
 * What an image is: one of the constants `CLIPPIE_IMAGE_...`.
 */
typedef int32_t clippie_image_kind;

/**
 * An image to encode. What `data` points to stays the caller's and must not change during the call that encodes it.
 * `clippie_image_path`, `clippie_image_bytes` and `clippie_image_rgb` make one.
 */
typedef struct clippie_image {
  /**
   * One of the constants `CLIPPIE_IMAGE_...`, which say what the other fields are; those they do not name are ignored.
   */
  clippie_image_kind kind;
  /**
   * Path, bytes or pixels.
   */
  const void *data;
  /**
   * Number of bytes at `data`.
   */
  size_t size;
  /**
   * Pixels in a row.
   */
  size_t width;
  /**
   * Number of rows.
   */
  size_t height;
  /**
   * Bytes from the start of a row to the start of the next, at least three times `width`.
   */
  size_t stride;
} clippie_image;

/**
 * The call did what it was asked.
 */
#define CLIPPIE_OK 0

/**
 * A batch was encoded, except the inputs that `item_errors` has an error for.
 */
#define CLIPPIE_SOME_FAILED 1

/**
 * An argument cannot be used: a null pointer, a wrong length, an unknown constant.
 */
#define CLIPPIE_ERROR_ARGUMENT 2

/**
 * A file is missing or cannot be opened, read or written.
 */
#define CLIPPIE_ERROR_IO 3

/**
 * A weights file is damaged, of another version or not one, or its model cannot be run.
 */
#define CLIPPIE_ERROR_WEIGHTS 4

/**
 * An image cannot be decoded or is too large.
 */
#define CLIPPIE_ERROR_IMAGE 5

/**
 * A text cannot be used.
 */
#define CLIPPIE_ERROR_TEXT 6

/**
 * A checkpoint cannot be converted.
 */
#define CLIPPIE_ERROR_CHECKPOINT 7

/**
 * A model cannot be downloaded: the network or the server fails.
 */
#define CLIPPIE_ERROR_NETWORK 8

/**
 * The system gives no memory.
 */
#define CLIPPIE_ERROR_MEMORY 9

/**
 * An option, a name or an environment variable cannot be used.
 */
#define CLIPPIE_ERROR_OPTION 10

/**
 * The call was cancelled.
 */
#define CLIPPIE_ERROR_CANCELLED 11

/**
 * A bug in the library.
 */
#define CLIPPIE_ERROR_INTERNAL 12

/**
 * Images and texts; the default.
 */
#define CLIPPIE_TOWERS_BOTH 0

/**
 * Images alone. The file needs no text tower.
 */
#define CLIPPIE_TOWERS_IMAGE 1

/**
 * Texts alone: the pages of the image tower stay on disk. The file needs no image tower.
 */
#define CLIPPIE_TOWERS_TEXT 2

/**
 * A file: `data` is its path, a string that ends with a zero (in UTF-8 on Windows).
 */
#define CLIPPIE_IMAGE_PATH 1

/**
 * The bytes of a file: `size` bytes at `data`.
 */
#define CLIPPIE_IMAGE_BYTES 2

/**
 * Pixels, red, green and blue, eight bits each, upright: `height` rows of `width` pixels that start `stride` bytes apart,
 * in the `size` bytes at `data`.
 */
#define CLIPPIE_IMAGE_RGB 3

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Returns the version of the library, such as "0.1.0". The string is static. Any thread may call this.
 */
const char *clippie_version(void);

/**
 * Returns the version of the binary interface that the library has. A program that loads the library itself, with
 * `dlopen`, compares it with `CLIPPIE_ABI_VERSION`; the linker does so for others. Any thread may call this.
 */
uint32_t clippie_abi_version(void);

/**
 * Returns a few words for a status, such as "unusable image"; "unknown status" for a number that is none. The string
 * is static. Any thread may call this.
 */
const char *clippie_status_name(clippie_status status);

/**
 * Returns the status of an error, `CLIPPIE_OK` for null.
 *
 * # Safety
 * `error` is null or an error that is not freed.
 */
clippie_status clippie_error_status(const struct clippie_error *error);

/**
 * Returns the message of an error: one sentence in UTF-8 that names the cause and the remedy. It belongs to the error
 * and ends with it. An empty string for null.
 *
 * # Safety
 * `error` is null or an error that is not freed.
 */
const char *clippie_error_message(const struct clippie_error *error);

/**
 * Returns the file that an error is about: the weights file, or the photo that cannot be used. It belongs to the error
 * and ends with it. Null if there is none.
 *
 * # Safety
 * `error` is null or an error that is not freed.
 */
const char *clippie_error_path(const struct clippie_error *error);

/**
 * Returns the index, from 0, of the input of a batch that an error is about; -1 if there is none.
 *
 * # Safety
 * `error` is null or an error that is not freed.
 */
int64_t clippie_error_index(const struct clippie_error *error);

/**
 * Frees an error. Null is allowed.
 *
 * # Safety
 * `error` is null or an error that is not freed; nobody uses it or its strings any more.
 */
void clippie_error_free(struct clippie_error *error);

/**
 * Frees the errors of the inputs of a batch and writes null in their places. Null is allowed, for `errors` and each of
 * them. The array itself stays the caller's.
 *
 * # Safety
 * `errors` is null or has `count` pointers that a call has written; nobody uses the errors or their strings any more.
 */
void clippie_errors_free(struct clippie_error **errors, size_t count);

/**
 * Creates the default options: both towers, a thread for each core, batches of eight, embeddings of length one, EXIF
 * orientation applied, long texts truncated. They belong to the caller, who frees them with `clippie_options_free`.
 */
struct clippie_options *clippie_options_new(void);

/**
 * Sets which towers to open, `CLIPPIE_TOWERS_BOTH` at first. An unknown constant is refused when a model is opened.
 * This and the other setters return `CLIPPIE_OK`, or `CLIPPIE_ERROR_ARGUMENT` if `options` is null.
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_towers(struct clippie_options *options, clippie_towers towers);

/**
 * Sets the number of threads of a model; 0, the default, means one for each core, and 1 the calling thread alone.
 * Others are started when the model is opened and have ended when it is freed. Never changes results.
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_threads(struct clippie_options *options, size_t threads);

/**
 * Sets how many images or texts share a pass, at first 8: larger batches are faster and need more memory. Never changes
 * results. 0 changes nothing and returns `CLIPPIE_ERROR_ARGUMENT`.
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_batch_size(struct clippie_options *options, size_t batch_size);

/**
 * Sets whether embeddings are scaled to length one (they are at first).
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_normalize(struct clippie_options *options, bool normalize);

/**
 * Sets whether the EXIF orientation of photos is applied (it is at first).
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_orient(struct clippie_options *options, bool orient);

/**
 * Sets whether texts that are longer than the model's context are errors (at first they are truncated).
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_refuse_long_texts(struct clippie_options *options, bool refuse);

/**
 * Sets whether a model is copied to memory and verified when it is opened, instead of mapped (it is mapped at first):
 * for files on removable disks or network drives. Never changes results.
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses.
 */
clippie_status clippie_options_set_copy_weights(struct clippie_options *options, bool copy);

/**
 * Sets the language of texts, for a model whose texts have one: a name in FLORES-200, such as "deu_Latn", or a code of
 * ISO 639-1, such as "de". Null, the default, means that of the file. The string is copied; one that the model does not
 * have is refused when it is opened.
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses; `language` is null or a string that
 * ends with a zero.
 */
clippie_status clippie_options_set_language(struct clippie_options *options, const char *language);

/**
 * Sets the instruction set: for tests, "avx512", "avx2", "sse", "neon" or "portable"; "amx" asks Linux for the processor's
 * matrix tiles, for the whole process, which make models in 8 bits faster. Null, the default, means the fastest one
 * without these, or that of the environment variable CLIPPIE_ISA. Changes results in the last bits, of models in 8 bits
 * by more. The string is copied; one that the machine does not have is refused when a model is opened.
 *
 * # Safety
 * `options` is null or options that are not freed and that no other thread uses; `isa` is null or a string that ends
 * with a zero.
 */
clippie_status clippie_options_set_isa(struct clippie_options *options,
                                       const char *isa);

/**
 * Lets models in 8 bits that are opened from now on, without an instruction set in their options or in CLIPPIE_ISA, use
 * the processor's matrix tiles (AMX), which make them faster and give the same bits as AVX-512 with VNNI. If the processor has
 * them, the first such model asks Linux for them, which grants them to the whole process; from then on, it refuses
 * alternate signal stacks of less than some 11 KiB. Otherwise nothing changes.
 */
void clippie_allow_amx(void);

/**
 * Frees options. Null is allowed.
 *
 * # Safety
 * `options` is null or options that are not freed and that nobody uses any more.
 */
void clippie_options_free(struct clippie_options *options);

/**
 * Opens a `.clippie` file: maps it and reads its header.
 *
 * Returns a model that belongs to the caller, or null; then `*error` is an error that belongs to the caller, else null.
 * `options` may be null for the default ones, `error` if the reason does not matter. Any thread may call this.
 *
 * # Safety
 * `path` is null or a string that ends with a zero, in UTF-8 on Windows; `options` is null or options that nothing
 * changes during the call; `error` is null or may be written.
 */
struct clippie_model *clippie_open(const char *path,
                                   const struct clippie_options *options,
                                   struct clippie_error **error);

/**
 * Opens the compiled-in model, for tests and a first try. It knows drawn shapes, not photos. A build without the
 * feature `demo` has none and says so.
 *
 * Results and errors as with `clippie_open`. Any thread may call this.
 *
 * # Safety
 * `options` is null or options that nothing changes during the call; `error` is null or may be written.
 */
struct clippie_model *clippie_open_demo(const struct clippie_options *options, struct clippie_error **error);

/**
 * Opens a model as users give it: the path of a `.clippie` file, the name of a published model such as
 * "mobileclip2-s2", "hf-hub:ORG/REPO", or "demo". Names take precedence. A published model is downloaded and converted
 * on first use, which needs the feature `hub`; a build without it says how to get the file.
 *
 * Calls `progress` during a download, and ends it when `cancel` is set; the next call continues it. Both may be null.
 * Results and other errors as with `clippie_open`. Any thread may call this.
 *
 * # Safety
 * `model` is null or a string that ends with a zero; `options` is null or options that nothing changes during the call;
 * `progress` is null or a function of this type that may be called with `user`; `cancel` is null or a flag that is not
 * freed during the call; `error` is null or may be written.
 */
struct clippie_model *clippie_load(const char *model,
                                   const struct clippie_options *options,
                                   clippie_progress progress,
                                   void *user,
                                   const struct clippie_cancel *cancel,
                                   struct clippie_error **error);

/**
 * Creates a flag that is not set. It belongs to the caller, who frees it with `clippie_cancel_free`.
 */
struct clippie_cancel *clippie_cancel_new(void);

/**
 * Sets a flag: calls that it was given to end with `CLIPPIE_ERROR_CANCELLED` within about the time of one batch, and later
 * calls at once. Null is allowed. Any thread may call this at any time, a signal handler too.
 *
 * # Safety
 * `cancel` is null or a flag that is not freed.
 */
void clippie_cancel_set(const struct clippie_cancel *cancel);

/**
 * Returns whether a flag is set; false for null. Any thread may call this at any time.
 *
 * # Safety
 * `cancel` is null or a flag that is not freed.
 */
bool clippie_cancel_is_set(const struct clippie_cancel *cancel);

/**
 * Frees a flag. Null is allowed.
 *
 * # Safety
 * `cancel` is null or a flag that is not freed; no call that it was given to runs any more, and nobody sets it.
 */
void clippie_cancel_free(struct clippie_cancel *cancel);

/**
 * Returns the number of values of an embedding; 0 for null. Any thread may call this.
 *
 * # Safety
 * `model` is null or a model that is not freed.
 */
size_t clippie_model_embed_dim(const struct clippie_model *model);

/**
 * Returns the factor that turns cosines into logits, usually about 100; NaN for null. The probabilities of several
 * texts for an image are the softmax of the cosines times this. Any thread may call this.
 *
 * # Safety
 * `model` is null or a model that is not freed.
 */
float clippie_model_logit_scale(const struct clippie_model *model);

/**
 * Returns what is added to the scaled cosines of a model that was trained with a sigmoid; NaN for all others and for
 * null. Any thread may call this.
 *
 * # Safety
 * `model` is null or a model that is not freed.
 */
float clippie_model_logit_bias(const struct clippie_model *model);

/**
 * Returns the probability that an image and a text with this cosine belong together, from 0 to 1; NaN for a model that
 * was not trained with a sigmoid, whose cosines have no probability of their own, and for null. Any thread may call
 * this.
 *
 * # Safety
 * `model` is null or a model that is not freed.
 */
float clippie_model_probability(const struct clippie_model *model, float cosine);

/**
 * Copies the fingerprint of a model to `buffer`, with a zero at its end, and returns its length without the zero: 32
 * digits, so that `char fingerprint[33]` holds it. As much as fits in `size` bytes is copied; null with a `size` of 0 is
 * allowed. Returns 0, and an empty string, if `model` is null. Any thread may call this.
 *
 * The fingerprint identifies everything that determines an embedding. Only embeddings with equal fingerprints may be
 * compared; store it with them.
 *
 * # Safety
 * `model` is null or a model that is not freed; `buffer` is null or has `size` bytes that may be written.
 */
size_t clippie_model_fingerprint(const struct clippie_model *model,
                                 char *buffer,
                                 size_t size);

/**
 * Gives scratch memory and mapped pages back to the system, for a program that goes idle; the next call fetches them
 * again. Null is allowed. Any thread may call this, also while others encode.
 *
 * # Safety
 * `model` is null or a model that is not freed.
 */
void clippie_model_release(const struct clippie_model *model);

/**
 * Frees a model and waits until its threads have ended. When all models are freed, no thread runs code of the library,
 * which may then be unloaded (except on Windows, where threads end some time later). Null is allowed.
 *
 * # Safety
 * `model` is null or a model that is not freed; no call uses it any more.
 */
void clippie_model_free(struct clippie_model *model);

/**
 * Makes an image of the path of a file; its content, not its name, decides the format. Reads nothing.
 *
 * # Safety
 * When the image is encoded, `path` is null, which is an error then, or a string that ends with a zero.
 */
struct clippie_image clippie_image_path(const char *path);

/**
 * Makes an image of the `size` bytes of a file. Reads nothing.
 *
 * # Safety
 * When the image is encoded, `data` is null, which is an error then, or points to `size` bytes.
 */
struct clippie_image clippie_image_bytes(const void *data, size_t size);

/**
 * Makes an image of pixels, red, green and blue, eight bits each, upright: `height` rows of `width` pixels that start
 * `stride` bytes apart, in `size` bytes. The last row may end with its last pixel. Reads nothing.
 *
 * # Safety
 * When the image is encoded, `pixels` is null, which is an error then, or points to `size` bytes.
 */
struct clippie_image clippie_image_rgb(const uint8_t *pixels, size_t size, size_t width, size_t height, size_t stride);

/**
 * Encodes `count` images to `out`, one row of `clippie_model_embed_dim` values for each, in order; `out_len` must be
 * `count` times that. `out` may hold anything before. Any number of threads may encode with a model at once.
 *
 * If `item_errors` is null, the first image that cannot be read ends the call, and the values of `out` are unspecified.
 * Otherwise it has `count` places, and images are independent: null is written for those that are encoded, an error
 * that belongs to the caller for others, whose rows are zeros. The call then returns `CLIPPIE_SOME_FAILED`; after a
 * cancellation too, with `CLIPPIE_ERROR_CANCELLED` as the status of those that it did not reach. All places are written,
 * whatever the call returns, so that `clippie_errors_free` can follow; what they held before is not freed.
 *
 * Returns `CLIPPIE_OK`, `CLIPPIE_SOME_FAILED`, or the status of the error that is written to `*error` and belongs to the
 * caller; null is written there if there is none. `cancel` and `error` may be null.
 *
 * # Safety
 * `model` is null or a model that is not freed during the call; `images` is null or has `count` elements; `out` is null
 * or has memory for `out_len` values, `item_errors` is null or for `count` pointers, and neither overlaps with anything
 * else of the call; `cancel` is null or a flag that is not freed during the call; `error` is null or may be written.
 */
clippie_status clippie_encode_images(const struct clippie_model *model,
                                     const struct clippie_image *images,
                                     size_t count,
                                     float *out,
                                     size_t out_len,
                                     const struct clippie_cancel *cancel,
                                     struct clippie_error **item_errors,
                                     struct clippie_error **error);

/**
 * Encodes `count` texts in UTF-8 to `out`. `lengths` has the number of bytes of each text; if it is null, each ends with
 * a zero. Everything else as with `clippie_encode_images`.
 *
 * # Safety
 * `model` is null or a model that is not freed during the call; `texts` is null or has `count` pointers, each null or to
 * a text; `lengths` is null or has `count` lengths; `out` is null or has memory for `out_len` values, `item_errors` is
 * null or for `count` pointers, and neither overlaps with anything else of the call; `cancel` is null or a flag that is
 * not freed during the call; `error` is null or may be written.
 */
clippie_status clippie_encode_texts(const struct clippie_model *model,
                                    const char *const *texts,
                                    const size_t *lengths,
                                    size_t count,
                                    float *out,
                                    size_t out_len,
                                    const struct clippie_cancel *cancel,
                                    struct clippie_error **item_errors,
                                    struct clippie_error **error);

/**
 * Writes the cosines between an embedding, `query`, and each of `count` others, `rows`, all of `embed_dim` values, to
 * `out`: `count` values from -1 to 1. Embeddings may have any length; the cosine with one of zeros is 0.
 *
 * Returns `CLIPPIE_OK`, or the status of the error that is written to `*error` and belongs to the caller; null is written
 * there if there is none. `error` may be null. Any thread may call this.
 *
 * # Safety
 * `query` is null or has `embed_dim` values, `rows` is null or has `count` times as many; `out` is null or has memory for
 * `count` values and overlaps with neither; `error` is null or may be written.
 */
clippie_status clippie_similarity(const float *query,
                                  const float *rows,
                                  size_t count,
                                  size_t embed_dim,
                                  float *out,
                                  struct clippie_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CLIPPIE_H */
