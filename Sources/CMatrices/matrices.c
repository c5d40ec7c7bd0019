#include "include/CMatrices.h"
#include <matio.h>
#include <stdio.h>
#include <string.h>

static int fail(char *message, const char *text) {
    snprintf(message, MATRIX_MESSAGE, "%s", text);
    return -1;
}

// libmatio would write its complaints to standard error.
static void be_silent(int level, char *text) {
    (void)level;
    (void)text;
}

static uint32_t word(const unsigned char *bytes, int is_swapped) {
    return is_swapped ? (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]
                      : (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

// Whether the file has MATLAB 5's header and all the elements that their tags announce: what is cut off would be read as it happens to be.
static int check_elements(const char *path, char *message) {
    FILE *file = fopen(path, "rb");
    if (!file) return fail(message, "cannot be opened");
    unsigned char header[128] = {0}, tag[8];
    int failed = 0;
    if (fread(header, 1, sizeof header, file) != sizeof header || memcmp(header, "MATLAB 5.0 MAT-file", 19) != 0) {
        failed = fail(message, memcmp(header, "MATLAB 7.3", 10) == 0 ? "is a MATLAB 7.3 file, expected MATLAB 5 (save -v7)" : "is no MATLAB 5 file");
        fclose(file);
        return failed;
    }
    int is_swapped = header[126] == 'M';
    fseek(file, 0, SEEK_END);
    long size = ftell(file), place = sizeof header;
    while (!failed && place < size) {
        fseek(file, place, SEEK_SET);
        if (fread(tag, 1, sizeof tag, file) != sizeof tag) {
            failed = fail(message, "is cut off");
        } else {
            place += (long)sizeof tag + word(tag + 4, is_swapped);
            if (place > size) failed = fail(message, "is cut off");
        }
    }
    fclose(file);
    return failed;
}

static mat_t *open_file(const char *path, char *message) {
    if (check_elements(path, message) != 0) return NULL;
    Mat_LogInitFunc("harness", be_silent);
    mat_t *file = Mat_Open(path, MAT_ACC_RDONLY);
    if (!file) fail(message, "is no MATLAB 5 file");
    return file;
}

static int describe(const matvar_t *variable, struct matrix_info *info, char *message) {
    if (variable->rank < 1 || variable->rank > MATRIX_LARGEST_RANK || !variable->dims) return fail(message, "has an array of too many dimensions");
    info->kind = variable->isComplex                    ? MATRIX_OTHER
                 : variable->class_type == MAT_C_UINT8  ? MATRIX_UINT8
                 : variable->class_type == MAT_C_DOUBLE ? MATRIX_FLOAT64
                                                        : MATRIX_OTHER;
    info->rank = variable->rank;
    memcpy(info->lengths, variable->dims, (size_t)variable->rank * sizeof *variable->dims);
    return 0;
}

int matrix_read_info(const char *path, const char *name, struct matrix_info *info, char *message) {
    mat_t *file = open_file(path, message);
    if (!file) return -1;
    matvar_t *variable = Mat_VarReadInfo(file, name);
    int failed = variable ? describe(variable, info, message) : -1;
    if (!variable) snprintf(message, MATRIX_MESSAGE, "has no array %s", name);
    if (variable) Mat_VarFree(variable);
    Mat_Close(file);
    return failed;
}

int matrix_read(const char *path, const char *name, const struct matrix_info *info, void *elements, char *message) {
    mat_t *file = open_file(path, message);
    if (!file) return -1;
    matvar_t *variable = Mat_VarReadInfo(file, name);
    struct matrix_info found;
    int failed = variable ? describe(variable, &found, message) : fail(message, "is damaged");
    if (!failed && (found.kind != info->kind || found.rank != info->rank ||
                    memcmp(found.lengths, info->lengths, (size_t)info->rank * sizeof(size_t)) != 0))
        failed = fail(message, "has changed while it was read");
    if (!failed) {
        size_t count = 1, size = info->kind == MATRIX_UINT8 ? 1 : sizeof(double);
        for (int axis = 0; axis < info->rank; axis++) count *= info->lengths[axis];
        if (Mat_VarReadDataAll(file, variable) != 0 || !variable->data || variable->nbytes < count * size || (size_t)variable->data_size != size)
            failed = fail(message, "is damaged");
        else
            memcpy(elements, variable->data, count * size);
    }
    if (variable) Mat_VarFree(variable);
    Mat_Close(file);
    return failed;
}
