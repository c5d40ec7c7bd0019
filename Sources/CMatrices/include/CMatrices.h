// Arrays of MATLAB 5 files (.mat), by libmatio.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MATRIX_MESSAGE 200
#define MATRIX_LARGEST_RANK 8

enum matrix_kind { MATRIX_UINT8, MATRIX_FLOAT64, MATRIX_OTHER };

struct matrix_info {
    enum matrix_kind kind;
    int rank;
    // The first index runs fastest.
    size_t lengths[MATRIX_LARGEST_RANK];
};

// What the file says of an array. Not 0: `message` says in MATRIX_MESSAGE bytes why not.
int matrix_read_info(const char *path, const char *name, struct matrix_info *info, char *message);

// The elements of an array of the kind and lengths that `info` has, in its file's order.
int matrix_read(const char *path, const char *name, const struct matrix_info *info, void *elements, char *message);
