/* Loads the library, uses it on a thread that ends, and unloads it, several times:
 *
 *     unload LIBRARY
 */
#define _GNU_SOURCE
#include <clippie.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *path;

/* Functions have no conversion from the type of `dlsym` in ISO C. */
#define FIND(library, name)                                \
    do {                                                   \
        void *found = dlsym(library, "clippie_" #name);    \
        if (!found)                                        \
            return "there is no clippie_" #name;           \
        memcpy(&name, &found, sizeof name);                \
    } while (0)

static const char *use(void *library)
{
    uint32_t (*abi_version)(void);
    clippie_model *(*open_demo)(const clippie_options *, clippie_error **);
    clippie_status (*encode_texts)(const clippie_model *, const char *const *, const size_t *, size_t, float *, size_t,
                                   const clippie_cancel *, clippie_error **, clippie_error **);
    void (*model_free)(clippie_model *);
    FIND(library, abi_version);
    FIND(library, open_demo);
    FIND(library, encode_texts);
    FIND(library, model_free);
    if (abi_version() != CLIPPIE_ABI_VERSION)
        return "the library has another interface";
    clippie_model *model = open_demo(NULL, NULL);
    const char *text = "a red star";
    float row[64];
    clippie_status status = model ? encode_texts(model, &text, NULL, 1, row, 64, NULL, NULL, NULL) : -1;
    model_free(model);
    return status == CLIPPIE_OK ? NULL : "the text was not encoded";
}

static void *run(void *library)
{
    return (void *)(uintptr_t)use(library);
}

int main(int argc, char **argv)
{
    path = argc == 2 ? argv[1] : "libclippie_rs.so.0";
    for (int i = 0; i < 5; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *problem = NULL;
        pthread_t thread;
        if (!library || pthread_create(&thread, NULL, run, library) || pthread_join(thread, &problem)) {
            fprintf(stderr, "%s\n", library ? "no thread" : dlerror());
            return 1;
        }
        if (problem) {
            fprintf(stderr, "%s\n", (char *)problem);
            return 1;
        }
        dlclose(library);
        if (dlopen(path, RTLD_NOW | RTLD_NOLOAD)) {
            fprintf(stderr, "the library is still loaded\n");
            return 1;
        }
    }
    puts("loaded, used and unloaded five times");
    return 0;
}
