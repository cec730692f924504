/* Stands in front of a libllama and gives both parameter structs another layout, as a future release might have it.
 *
 * DRIFTED_MODEL and DRIFTED_CONTEXT describe a layout: `real drifted bytes` for each field, then `-1 offset bytes value`
 * for the new one. Everything else is the real library, which this one depends on. x86-64 System V alone: a struct
 * result comes through a hidden first argument, and a struct argument lies on the stack.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1024 };

struct image {
    char data[LARGEST];
};

static void * real(const char * name) {
    void * found = dlsym(dlopen(getenv("DRIFTED_REAL"), RTLD_NOW | RTLD_NOLOAD), name);
    if (!found) {
        fprintf(stderr, "no %s\n", name);
        abort();
    }
    return found;
}

/* Copies what the description names from one layout to the other; back is 1 from the drifted to the real one. */
static void convert(const char * description, const char * from, char * to, int back) {
    for (;;) {
        int at, drifted, bytes, used;
        if (sscanf(description, "%d %d %d%n", &at, &drifted, &bytes, &used) < 3) {
            return;
        }
        description += used;
        if (at < 0) {
            long long value = strtoll(description, (char **) &description, 10);
            if (!back) {
                memcpy(to + drifted, &value, bytes);
            }
        } else if (back) {
            memcpy(to + at, from + drifted, bytes);
        } else {
            memcpy(to + drifted, from + at, bytes);
        }
    }
}

static void * defaults(const char * function, const char * variable, char * out) {
    char usual[LARGEST];
    ((void * (*) (char *)) real(function))(usual);
    convert(getenv(variable), usual, out, 0);
    return out;
}

static struct image converted(const char * function, const char * variable, const struct image * given) {
    struct image usual;
    ((void * (*) (char *)) real(function))(usual.data);
    convert(getenv(variable), given->data, usual.data, 1);
    return usual;
}

void * llama_model_default_params(char * out) {
    return defaults("llama_model_default_params", "DRIFTED_MODEL", out);
}

void * llama_context_default_params(char * out) {
    return defaults("llama_context_default_params", "DRIFTED_CONTEXT", out);
}

void * llama_model_load_from_file(const char * path, struct image params) {
    struct image usual = converted("llama_model_default_params", "DRIFTED_MODEL", &params);
    return ((void * (*) (const char *, struct image)) real("llama_model_load_from_file"))(path, usual);
}

void * llama_init_from_model(void * model, struct image params) {
    struct image usual = converted("llama_context_default_params", "DRIFTED_CONTEXT", &params);
    return ((void * (*) (void *, struct image)) real("llama_init_from_model"))(model, usual);
}
