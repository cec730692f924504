/* Stands in front of a libllama and answers as a graphics card does: llama_decode returns at once, and who wants the
 * results waits for them, in the first llama_get_logits_ith, llama_sampler_sample or llama_synchronize behind it.
 *
 * LLAMA_LATE_COSTS says how long decodes go on behind their return: `tokens microseconds`, again and again; more tokens
 * take what the next greater number does. The first two decodes of another width than the one before take
 * LLAMA_LATE_COLD times as long. LLAMA_LATE_REAL is the real library, which computes everything. Linux alone.
 *
 * LLAMA_LATE_COPY is how many microseconds a decode's logits take on their way to who asks for them first, and
 * LLAMA_LATE_DRAW how many a decode takes longer that chooses tokens, too; nothing where they are not set.
 *
 * Where LLAMA_LATE_LAYERS is set, the devices say that they are graphics cards, and a decode with more layers than that
 * on them ends the process, as CUDA does where no memory is left to compute with. Weights are not locked then unless the
 * model is loaded without devices, as they lie in memory of a card's driver.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct batch {
    int32_t n_tokens;
    void * arrays[6];
};

/* llama_model_params of layout mdl-J, by value. */
struct model_params {
    void * devices, * overrides;
    int32_t n_gpu_layers, split_mode, load_mode, behind[13];
};

enum { GPU = 1, MMAP = 1, MLOCK = 2 };

static int64_t done_at;
static int width, row, layers, copied, choosing;

static void * real(const char * name) {
    void * found = dlsym(dlopen(getenv("LLAMA_LATE_REAL"), RTLD_NOW | RTLD_NOLOAD), name);
    found = found ? found : dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "no %s\n", name);
        abort();
    }
    return found;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void wait_until(int64_t wanted) {
    int64_t left = wanted - now();
    if (left > 0) {
        struct timespec time = { left / 1000000000LL, left % 1000000000LL };
        nanosleep(&time, NULL);
    }
}

static void wait_for_it(void) {
    wait_until(done_at);
}

static int64_t told(const char * name) {
    const char * microseconds = getenv(name);
    return microseconds ? atoll(microseconds) * 1000 : 0;
}

static int64_t cost(int n_tokens) {
    const char * costs = getenv("LLAMA_LATE_COSTS");
    int tokens, used;
    long long microseconds = 0;
    while (sscanf(costs, "%d %lld%n", &tokens, &microseconds, &used) >= 2) {
        costs += used;
        if (tokens >= n_tokens) {
            break;
        }
    }
    return microseconds * 1000;
}

/* Whether the library's own code asks, which finds these functions here, too, and must be told the truth. */
static int is_own(void * caller) {
    Dl_info found;
    if (!getenv("LLAMA_LATE_LAYERS")) {
        return 1;
    }
    return dladdr(caller, &found) && (strstr(found.dli_fname, "libllama") || strstr(found.dli_fname, "ggml"));
}

const char * ggml_backend_dev_name(void * device) {
    const char * name = ((const char * (*) (void *)) real("ggml_backend_dev_name"))(device);
    return is_own(__builtin_return_address(0)) ? name : "LATE0";
}

int32_t ggml_backend_dev_type(void * device) {
    int32_t type = ((int32_t (*) (void *)) real("ggml_backend_dev_type"))(device);
    return is_own(__builtin_return_address(0)) ? type : GPU;
}

void * llama_model_load_from_file(const char * path, struct model_params params) {
    layers = params.n_gpu_layers;
    if (getenv("LLAMA_LATE_LAYERS") && !params.devices && params.load_mode & MLOCK) {
        params.load_mode &= MMAP;
    }
    return ((void * (*) (const char *, struct model_params)) real("llama_model_load_from_file"))(path, params);
}

int32_t llama_decode(void * context, struct batch batch) {
    if (getenv("LLAMA_LATE_LAYERS") && layers > atoi(getenv("LLAMA_LATE_LAYERS"))) {
        fputs("CUDA error: out of memory\n", stderr);
        abort();
    }
    int32_t code = ((int32_t (*) (void *, struct batch)) real("llama_decode"))(context, batch);
    int64_t returned = now();
    row = batch.n_tokens == width ? row + 1 : 1;
    width = batch.n_tokens;
    done_at = (done_at > returned ? done_at : returned) + cost(width) * (row <= 2 ? atoi(getenv("LLAMA_LATE_COLD")) : 1);
    done_at += choosing ? told("LLAMA_LATE_DRAW") : 0;
    copied = 0;
    return code;
}

_Bool llama_set_sampler(void * context, int32_t sequence, void * sampler) {
    choosing = sampler != NULL;
    return ((_Bool (*) (void *, int32_t, void *)) real("llama_set_sampler"))(context, sequence, sampler);
}

void llama_synchronize(void * context) {
    wait_for_it();
    ((void (*) (void *)) real("llama_synchronize"))(context);
}

float * llama_get_logits_ith(void * context, int32_t index) {
    wait_for_it();
    if (!copied) {
        copied = 1;
        wait_until(now() + told("LLAMA_LATE_COPY"));
    }
    return ((float * (*) (void *, int32_t)) real("llama_get_logits_ith"))(context, index);
}

int32_t llama_sampler_sample(void * sampler, void * context, int32_t index) {
    wait_for_it();
    return ((int32_t (*) (void *, void *, int32_t)) real("llama_sampler_sample"))(sampler, context, index);
}
