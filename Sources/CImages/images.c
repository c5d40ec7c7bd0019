#include "internal.h"
#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>

#define TEXT(x) #x
#define VALUE_TEXT(x) TEXT(x)

const char *image_library_versions(void) {
    static _Thread_local char text[80];
    int webp = WebPGetDecoderVersion();
    snprintf(
        text, sizeof text, "libjpeg-turbo %s, libpng %s, libwebp %d.%d.%d", VALUE_TEXT(LIBJPEG_TURBO_VERSION), png_get_libpng_ver(NULL), webp >> 16,
        webp >> 8 & 255, webp & 255);
    return text;
}

int raw_allocate(raw_image *image, char message[IMAGE_MESSAGE]) {
    size_t count = (size_t)image->width * (size_t)image->height * (size_t)image->channels * (size_t)image->bytes_per_sample;
    image->samples = malloc(count ? count : 1);
    return image->samples ? 0 : fail(message, "needs more memory than there is");
}

int too_many_pixels(int64_t width, int64_t height, int64_t most, char message[IMAGE_MESSAGE]) {
    if (width * height <= most) return 0;
    return fail(message, "declares %lld×%lld pixels, more than %lld million", (long long)height, (long long)width, (long long)(most / 1000000));
}

// MARK: What a file is

static image_format format_of(const uint8_t *bytes, size_t count) {
    if (count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) return IMAGE_JPEG;
    if (count >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return IMAGE_PNG;
    if (count >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) return IMAGE_WEBP;
    return IMAGE_UNKNOWN;
}

static unsigned number(const uint8_t *bytes, int is_big, int length) {
    unsigned value = 0;
    for (int i = 0; i < length; i++) value |= (unsigned)bytes[i] << 8 * (is_big ? length - 1 - i : i);
    return value;
}

/// Looks for tag 0x0112, a SHORT, in the first directory. "EXIF 2.32", JEITA CP-3451, 4.6.
int exif_orientation(const uint8_t *bytes, size_t count) {
    if (count < 8) return 1;
    int is_big = bytes[0] == 'M';
    if (memcmp(bytes, is_big ? "MM\0*" : "II*\0", 4) != 0) return 1;
    size_t start = number(bytes + 4, is_big, 4);
    if (start > count - 2 || count < 2) return 1;
    size_t entries = number(bytes + start, is_big, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t place = start + 2 + 12 * i;
        if (place + 12 > count) return 1;
        if (number(bytes + place, is_big, 2) != 0x0112) continue;
        unsigned value = number(bytes + place + 8, is_big, 2);
        return number(bytes + place + 2, is_big, 2) == 3 && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int image_read_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]) {
    memset(header, 0, sizeof *header);
    int failed;
    switch (format_of(bytes, count)) {
    case IMAGE_JPEG: failed = jpeg_header(bytes, count, header, message); break;
    case IMAGE_PNG: failed = png_header(bytes, count, header, message); break;
    case IMAGE_WEBP: failed = webp_header(bytes, count, header, message); break;
    default: return count == 0 ? fail(message, "is empty") : fail(message, "is no JPEG, PNG or WebP file");
    }
    if (failed) return 1;
    if (header->orientation > 4) {
        int width = header->width;
        header->width = header->height;
        header->height = width;
    }
    return 0;
}

// MARK: Samples

#define FOR_SAMPLES(image, body)                                                                                                       \
    do {                                                                                                                               \
        if ((image)->bytes_per_sample == 1) {                                                                                          \
            typedef uint8_t sample;                                                                                                    \
            enum { MOST = 255 };                                                                                                       \
            body                                                                                                                       \
        } else {                                                                                                                       \
            typedef uint16_t sample;                                                                                                   \
            enum { MOST = 65535 };                                                                                                     \
            body                                                                                                                       \
        }                                                                                                                              \
    } while (0)

/// Lays the image over the background, in place.
static void remove_alpha(raw_image *image, const uint8_t background[3]) {
    int64_t count = (int64_t)image->width * image->height;
    int colours = image->channels - 1;
    FOR_SAMPLES(image, {
        const sample *source = image->samples;
        sample *target = image->samples;
        for (int64_t i = 0; i < count; i++, source += colours + 1, target += colours) {
            int64_t alpha = source[colours];
            for (int c = 0; c < colours; c++) {
                int64_t behind = colours == 3 ? background[c] : (background[0] * 19595 + background[1] * 38470 + background[2] * 7471 + 0x8000) >> 16;
                behind *= MOST / 255;
                target[c] = (sample)((alpha * source[c] + (MOST - alpha) * behind + MOST / 2) / MOST);
            }
        }
    });
    image->channels = colours;
}

/// Luma as Pillow computes it, in place.
static void remove_colours(raw_image *image) {
    int64_t count = (int64_t)image->width * image->height;
    FOR_SAMPLES(image, {
        const sample *source = image->samples;
        sample *target = image->samples;
        (void)MOST;
        for (int64_t i = 0; i < count; i++, source += 3) {
            target[i] = (sample)(((int64_t)source[0] * 19595 + (int64_t)source[1] * 38470 + (int64_t)source[2] * 7471 + 0x8000) >> 16);
        }
    });
    image->channels = 1;
}

/// Writes the image upright, with its gray as often as colours are asked for. `x` and `y` are places in the upright image.
static void write_upright(const raw_image *image, int orientation, image_pixels *pixels) {
    int64_t width = image->width, height = image->height, stride_x = 1, stride_y = width, start = 0;
    switch (orientation) {
    case 2: start = width - 1, stride_x = -1; break;
    case 3: start = width * height - 1, stride_x = -1, stride_y = -width; break;
    case 4: start = width * (height - 1), stride_y = -width; break;
    case 5: stride_x = width, stride_y = 1; break;
    case 6: start = width * (height - 1), stride_x = -width, stride_y = 1; break;
    case 7: start = width * height - 1, stride_x = -width, stride_y = -1; break;
    case 8: start = width - 1, stride_x = width, stride_y = -1; break;
    default: break;
    }
    int from = image->channels, to = pixels->channels;
    FOR_SAMPLES(image, {
        (void)MOST;
        sample *target = pixels->samples;
        for (int64_t y = 0; y < pixels->height; y++) {
            const sample *source = (const sample *)image->samples + (start + y * stride_y) * from;
            for (int64_t x = 0; x < pixels->width; x++, source += stride_x * from, target += to) {
                for (int c = 0; c < to; c++) target[c] = source[from == 1 ? 0 : c];
            }
        }
    });
}

int image_decode_classes(const uint8_t *bytes, size_t count, int64_t most_pixels, image_pixels *pixels, char message[IMAGE_MESSAGE]) {
    memset(pixels, 0, sizeof *pixels);
    image_header header;
    if (image_read_header(bytes, count, &header, message)) return 1;
    if (header.format != IMAGE_PNG) {
        return fail(message, "is a %s file, expected a PNG file, whose numbers are classes", header.format == IMAGE_JPEG ? "JPEG" : "WebP");
    }
    raw_image image;
    if (png_decode_classes(bytes, count, most_pixels, &image, message)) return 1;
    *pixels = (image_pixels){.width = image.width, .height = image.height, .channels = 1, .bytes_per_sample = 1, .samples = image.samples};
    return 0;
}

int image_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, image_pixels *pixels, char message[IMAGE_MESSAGE]) {
    memset(pixels, 0, sizeof *pixels);
    image_header header;
    if (image_read_header(bytes, count, &header, message)) return 1;
    raw_image image;
    int failed;
    switch (header.format) {
    case IMAGE_JPEG: failed = jpeg_decode(bytes, count, wishes, header.orientation, &image, message); break;
    case IMAGE_PNG: failed = png_decode(bytes, count, wishes, &image, message); break;
    default: failed = webp_decode(bytes, count, wishes, &image, message); break;
    }
    if (failed) return 1;
    if (image.channels == 2 || image.channels == 4) remove_alpha(&image, wishes->background);
    if (image.channels == 3 && wishes->channels == 1) remove_colours(&image);

    int lies = header.orientation > 4;
    *pixels = (image_pixels){
        .width = lies ? image.height : image.width, .height = lies ? image.width : image.height,
        .channels = wishes->channels == 0 ? image.channels : wishes->channels, .bytes_per_sample = image.bytes_per_sample};
    if (header.orientation == 1 && pixels->channels == image.channels) {
        pixels->samples = image.samples;
        return 0;
    }
    raw_image upright = {.width = pixels->width, .height = pixels->height, .channels = pixels->channels, .bytes_per_sample = image.bytes_per_sample};
    failed = raw_allocate(&upright, message);
    if (!failed) {
        pixels->samples = upright.samples;
        write_upright(&image, header.orientation, pixels);
    }
    free(image.samples);
    return failed;
}

void image_free(image_pixels *pixels) {
    free(pixels->samples);
    pixels->samples = NULL;
}
