/* Stands in front of a libllama and answers as a graphics card does: llama_decode returns at once, and who wants the
 * results waits for them, in the first llama_get_logits_ith, llama_sampler_sample or llama_synchronize behind it.
 *
 * LATE_COSTS says how long decodes go on behind their return: `tokens microseconds`, again and again; more tokens take
 * what the next greater number does. The first two decodes of another width than the one before take LATE_COLD times as long. LATE_REAL is
 * the real library, which computes everything. Linux alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct batch {
    int32_t n_tokens;
    void * arrays[6];
};

static int64_t done_at;
static int width, row;

static void * real(const char * name) {
    void * found = dlsym(dlopen(getenv("LATE_REAL"), RTLD_NOW | RTLD_NOLOAD), name);
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

static void wait_for_it(void) {
    int64_t left = done_at - now();
    if (left > 0) {
        struct timespec time = { left / 1000000000LL, left % 1000000000LL };
        nanosleep(&time, NULL);
    }
}

static int64_t cost(int n_tokens) {
    const char * costs = getenv("LATE_COSTS");
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

int32_t llama_decode(void * context, struct batch batch) {
    int32_t code = ((int32_t (*) (void *, struct batch)) real("llama_decode"))(context, batch);
    int64_t returned = now();
    row = batch.n_tokens == width ? row + 1 : 1;
    width = batch.n_tokens;
    done_at = (done_at > returned ? done_at : returned) + cost(width) * (row <= 2 ? atoi(getenv("LATE_COLD")) : 1);
    return code;
}

void llama_synchronize(void * context) {
    wait_for_it();
    ((void (*) (void *)) real("llama_synchronize"))(context);
}

float * llama_get_logits_ith(void * context, int32_t index) {
    wait_for_it();
    return ((float * (*) (void *, int32_t)) real("llama_get_logits_ith"))(context, index);
}

int32_t llama_sampler_sample(void * sampler, void * context, int32_t index) {
    wait_for_it();
    return ((int32_t (*) (void *, void *, int32_t)) real("llama_sampler_sample"))(sampler, context, index);
}
