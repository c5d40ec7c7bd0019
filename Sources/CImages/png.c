#include "internal.h"
#include <png.h>

typedef struct {
    const uint8_t *bytes;
    size_t count, place;
    char *message;
} png_source;

static void take(png_structp png, png_bytep target, size_t count) {
    png_source *source = png_get_io_ptr(png);
    if (count > source->count - source->place) png_error(png, "the file ends early");
    memcpy(target, source->bytes + source->place, count);
    source->place += count;
}

static void escape(png_structp png, png_const_charp text) {
    char *message = png_get_error_ptr(png);
    if (strcmp(text, "the file ends early") == 0 || strstr(text, "Not enough")) fail(message, "is cut off: a PNG file that ends before its last row");
    else fail(message, "is damaged: %s", text);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text) { (void)png, (void)text; }

/// Reads a file's header. Both are freed by the caller where this is 0.
static int open_png(const uint8_t *bytes, size_t count, png_source *source, png_structp *png, png_infop *info, char message[IMAGE_MESSAGE]) {
    *source = (png_source){.bytes = bytes, .count = count, .message = message};
    *png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, escape, ignore);
    *info = *png ? png_create_info_struct(*png) : NULL;
    if (!*info) {
        png_destroy_read_struct(png, NULL, NULL);
        return fail(message, "needs more memory than there is");
    }
    return 0;
}

/// Chunks of text and profiles may be compressed a thousand times, and are not looked at.
static void bound(png_structp png) {
    png_set_user_limits(png, 1 << 20, 1 << 20);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_chunk_cache_max(png, 64);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
}

int png_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]) {
    png_source source;
    png_structp png;
    png_infop info;
    if (open_png(bytes, count, &source, &png, &info, message)) return 1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return 1;
    }
    bound(png);
    png_set_read_fn(png, &source, take);
    png_read_info(png, info);
    int type = png_get_color_type(png, info);
    int has_alpha = type & PNG_COLOR_MASK_ALPHA || png_get_valid(png, info, PNG_INFO_tRNS);
    *header = (image_header){
        .format = IMAGE_PNG, .width = (int)png_get_image_width(png, info), .height = (int)png_get_image_height(png, info),
        .bits = png_get_bit_depth(png, info), .channels = (type & PNG_COLOR_MASK_COLOR ? 3 : 1) + (has_alpha ? 1 : 0), .orientation = 1};
    png_bytep block;
    png_uint_32 length;
    if (png_get_eXIf_1(png, info, &length, &block)) header->orientation = exif_orientation(block, length);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

/// Decodes a file; `are_classes`: as the numbers that are stored, which a palette or gray levels have.
static int decode(const uint8_t *bytes, size_t count, int64_t most_pixels, int are_classes, raw_image *image, char message[IMAGE_MESSAGE]) {
    png_source source;
    png_structp png;
    png_infop info;
    png_bytep *volatile rows = NULL;
    image->samples = NULL;
    if (open_png(bytes, count, &source, &png, &info, message)) return 1;
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(rows);
        free(image->samples);
        image->samples = NULL;
        return 1;
    }
    bound(png);
    png_set_read_fn(png, &source, take);
    png_read_info(png, info);
    int64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    if (too_many_pixels(width, height, most_pixels, message)) png_longjmp(png, 1);
    if (are_classes) {
        int type = png_get_color_type(png, info);
        if (type != PNG_COLOR_TYPE_PALETTE && type != PNG_COLOR_TYPE_GRAY) {
            fail(message, "has colours and no palette, expected a PNG file with a palette or gray levels, whose numbers are classes");
            png_longjmp(png, 1);
        }
        if (png_get_bit_depth(png, info) == 16) {
            fail(message, "has gray levels of 16 bits, expected numbers of classes in 8 bits");
            png_longjmp(png, 1);
        }
        png_set_packing(png);
    } else {
        // Palettes become colours, 1 to 4 bits become 8, and a transparent colour becomes alpha.
        png_set_expand(png);
    }
    if (png_get_bit_depth(png, info) == 16) png_set_swap(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    *image = (raw_image){
        .width = (int)width, .height = (int)height, .channels = png_get_channels(png, info),
        .bytes_per_sample = png_get_bit_depth(png, info) / 8};
    size_t length = (size_t)image->width * (size_t)image->channels * (size_t)image->bytes_per_sample;
    if (png_get_rowbytes(png, info) != length) {
        fail(message, "is a PNG file of a kind that cannot be read");
        png_longjmp(png, 1);
    }
    if (raw_allocate(image, message)) png_longjmp(png, 1);
    if (!(rows = malloc((size_t)height * sizeof *rows))) {
        fail(message, "needs more memory than there is");
        png_longjmp(png, 1);
    }
    for (int64_t y = 0; y < height; y++) rows[y] = (png_bytep)image->samples + (size_t)y * length;
    png_read_image(png, rows);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return 0;
}

int png_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, raw_image *image, char message[IMAGE_MESSAGE]) {
    return decode(bytes, count, wishes->most_pixels, 0, image, message);
}

int png_decode_classes(const uint8_t *bytes, size_t count, int64_t most_pixels, raw_image *image, char message[IMAGE_MESSAGE]) {
    return decode(bytes, count, most_pixels, 1, image, message);
}
