#pragma once
#include "CImages.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int fail(char message[IMAGE_MESSAGE], const char *format, ...) {
    va_list words;
    va_start(words, format);
    vsnprintf(message, IMAGE_MESSAGE, format, words);
    va_end(words);
    return 1;
}

/// The samples of an image as a decoder gives them: 8 or 16 bits, with or without alpha.
typedef struct {
    int width, height;
    /// 1, 3, or with alpha 2, 4.
    int channels;
    int bytes_per_sample;
    void *samples;
} raw_image;

/// Memory for a raw image whose other fields are set; 1 with a message where there is none.
int raw_allocate(raw_image *image, char message[IMAGE_MESSAGE]);
int too_many_pixels(int64_t width, int64_t height, int64_t most, char message[IMAGE_MESSAGE]);

/// The orientation of a TIFF structure, which is what an EXIF block holds; 1 where it says none that is one.
int exif_orientation(const uint8_t *bytes, size_t count);

int jpeg_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]);
int png_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]);
int webp_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]);
int jpeg_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, int orientation, raw_image *image, char message[IMAGE_MESSAGE]);
int png_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, raw_image *image, char message[IMAGE_MESSAGE]);
int png_decode_classes(const uint8_t *bytes, size_t count, int64_t most_pixels, raw_image *image, char message[IMAGE_MESSAGE]);
int webp_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, raw_image *image, char message[IMAGE_MESSAGE]);
