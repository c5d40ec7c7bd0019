#include "internal.h"
#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>

/// libjpeg calls `error_exit` where it cannot go on, and `emit_message` for what it mends by guessing.
typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    char *message;
} jpeg_failure;

static void escape(j_common_ptr info) {
    jpeg_failure *failure = (jpeg_failure *)info->err;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    fail(failure->message, "is damaged: %s", text);
    longjmp(failure->escape, 1);
}

/// Missing data are an error: libjpeg would fill the rest with gray. What it can overread (bytes between two markers) is none.
static void judge(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER: fail(((jpeg_failure *)info->err)->message, "is cut off: a JPEG file that ends before its last row"); break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION: fail(((jpeg_failure *)info->err)->message, "is damaged: its JPEG data cannot be decoded"); break;
    default: return;
    }
    longjmp(((jpeg_failure *)info->err)->escape, 1);
}

static void silence(j_common_ptr info) { (void)info; }

/// A progressive file may hold any number of passes over all its pixels; honest ones have about ten.
enum { MOST_SCANS = 200 };

typedef struct {
    struct jpeg_progress_mgr base;
} scan_guard;

static void count_scans(j_common_ptr info) {
    if (!info->is_decompressor || ((j_decompress_ptr)info)->input_scan_number <= MOST_SCANS) return;
    jpeg_failure *failure = (jpeg_failure *)info->err;
    fail(failure->message, "is damaged: a progressive JPEG file of more than %d scans", MOST_SCANS);
    longjmp(failure->escape, 1);
}

static void prepare(struct jpeg_decompress_struct *info, jpeg_failure *failure, scan_guard *guard, char *message) {
    info->err = jpeg_std_error(&failure->base);
    failure->base.error_exit = escape;
    failure->base.emit_message = judge;
    failure->base.output_message = silence;
    failure->message = message;
    jpeg_create_decompress(info);
    guard->base.progress_monitor = count_scans;
    info->progress = &guard->base;
}

static int orientation(struct jpeg_decompress_struct *info) {
    for (jpeg_saved_marker_ptr marker = info->marker_list; marker; marker = marker->next) {
        if (marker->marker == JPEG_APP0 + 1 && marker->data_length > 6 && memcmp(marker->data, "Exif\0\0", 6) == 0) {
            return exif_orientation(marker->data + 6, marker->data_length - 6);
        }
    }
    return 1;
}

int jpeg_header(const uint8_t *bytes, size_t count, image_header *header, char message[IMAGE_MESSAGE]) {
    struct jpeg_decompress_struct info;
    jpeg_failure failure;
    scan_guard guard;
    memset(&info, 0, sizeof info);
    if (setjmp(failure.escape)) {
        jpeg_destroy_decompress(&info);
        return 1;
    }
    prepare(&info, &failure, &guard, message);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(&info, bytes, count);
    jpeg_read_header(&info, TRUE);
    *header = (image_header){
        .format = IMAGE_JPEG, .width = (int)info.image_width, .height = (int)info.image_height, .bits = info.data_precision,
        .channels = info.num_components, .orientation = orientation(&info)};
    jpeg_destroy_decompress(&info);
    return 0;
}

/// Colours of CMYK as Pillow converts them. JPEG files hold inks as Adobe writes them: 255 is none.
static void colours_of_inks(const uint8_t *inks, uint8_t *colours, int width) {
    for (int x = 0; x < width; x++, inks += 4, colours += 3) {
        int white = inks[3];
        for (int channel = 0; channel < 3; channel++) {
            int amount = (255 - inks[channel]) * white + 128, value = white - ((amount + (amount >> 8)) >> 8);
            colours[channel] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

/// The largest reduction of 1, 2, 4, 8 that leaves at least the wished size.
static int reduction(int width, int height, int least_width, int least_height) {
    if (least_width <= 0 || least_height <= 0) return 1;
    int factor = 8;
    while (factor > 1 && ((width + factor - 1) / factor < least_width || (height + factor - 1) / factor < least_height)) factor /= 2;
    return factor;
}

int jpeg_decode(const uint8_t *bytes, size_t count, const image_wishes *wishes, int orientation, raw_image *image, char message[IMAGE_MESSAGE]) {
    struct jpeg_decompress_struct info;
    jpeg_failure failure;
    scan_guard guard;
    uint8_t *volatile row = NULL;
    memset(&info, 0, sizeof info);
    image->samples = NULL;
    if (setjmp(failure.escape)) {
        jpeg_destroy_decompress(&info);
        free(row);
        free(image->samples);
        image->samples = NULL;
        return 1;
    }
    prepare(&info, &failure, &guard, message);
    jpeg_mem_src(&info, bytes, count);
    jpeg_read_header(&info, TRUE);
    if (too_many_pixels(info.image_width, info.image_height, wishes->most_pixels, message)) longjmp(failure.escape, 1);
    if (info.data_precision != 8) {
        fail(message, "is a JPEG file of %d bits, expected 8", info.data_precision);
        longjmp(failure.escape, 1);
    }

    int lies = orientation > 4;
    info.scale_num = 1;
    info.scale_denom = (unsigned)reduction(
        (int)info.image_width, (int)info.image_height, lies ? wishes->least_height : wishes->least_width,
        lies ? wishes->least_width : wishes->least_height);
    info.dct_method = JDCT_ISLOW;
    int has_inks = info.num_components == 4;
    int is_gray = info.num_components == 1 || (wishes->channels == 1 && info.jpeg_color_space == JCS_YCbCr);
    info.out_color_space = has_inks ? JCS_CMYK : is_gray ? JCS_GRAYSCALE : JCS_RGB;
    if (info.num_components != 1 && info.num_components != 3 && info.num_components != 4) {
        fail(message, "is a JPEG file of %d channels, expected 1, 3 or 4", info.num_components);
        longjmp(failure.escape, 1);
    }
    jpeg_start_decompress(&info);
    *image = (raw_image){
        .width = (int)info.output_width, .height = (int)info.output_height, .channels = info.output_components == 1 ? 1 : 3, .bytes_per_sample = 1};
    if (raw_allocate(image, message)) longjmp(failure.escape, 1);
    if (has_inks && !(row = malloc(4 * (size_t)image->width))) {
        fail(message, "needs more memory than there is");
        longjmp(failure.escape, 1);
    }
    while (info.output_scanline < info.output_height) {
        uint8_t *target = (uint8_t *)image->samples + (size_t)info.output_scanline * (size_t)image->width * (size_t)image->channels;
        JSAMPROW line = has_inks ? row : target;
        if (jpeg_read_scanlines(&info, &line, 1) != 1) break;
        if (has_inks) colours_of_inks(row, target, image->width);
    }
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    free(row);
    return 0;
}
