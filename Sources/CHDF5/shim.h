#pragma once
#include <sys/syscall.h>
#include <unistd.h>
// The 1.10 names and formats on every later release too.
#define H5_USE_110_API
#include <hdf5.h>

// Macros that expand to library globals or casts, which Swift does not import.

static inline hid_t chdf5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t chdf5_file_create(void) { return H5P_FILE_CREATE; }
static inline hid_t chdf5_group_create(void) { return H5P_GROUP_CREATE; }
static inline hid_t chdf5_dataset_create(void) { return H5P_DATASET_CREATE; }
static inline hid_t chdf5_dataset_transfer(void) { return H5P_DATASET_XFER; }

static inline hid_t chdf5_dataset_access(void) { return H5P_DATASET_ACCESS; }
// A file without a name that lives in memory, closed in programs that this one starts; -1 with errno.
static inline int chdf5_memory_file(void) { return (int)syscall(SYS_memfd_create, "hdf5", 1u /* MFD_CLOEXEC */); }

static inline unsigned chdf5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned chdf5_read_live(void) { return H5F_ACC_RDONLY | H5F_ACC_SWMR_READ; }
static inline unsigned chdf5_truncate(void) { return H5F_ACC_TRUNC; }

static inline haddr_t chdf5_undefined_address(void) { return HADDR_UNDEF; }
static inline hsize_t chdf5_unlimited(void) { return H5S_UNLIMITED; }

static inline hid_t chdf5_float32(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t chdf5_float64(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t chdf5_int8(void) { return H5T_NATIVE_INT8; }
static inline hid_t chdf5_int16(void) { return H5T_NATIVE_INT16; }
static inline hid_t chdf5_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t chdf5_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t chdf5_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t chdf5_uint16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t chdf5_uint32(void) { return H5T_NATIVE_UINT32; }
static inline hid_t chdf5_uint64(void) { return H5T_NATIVE_UINT64; }
static inline hid_t chdf5_c_string(void) { return H5T_C_S1; }

// H5L_info_t has another layout from 1.12 on. Returns the link's type, with the bytes of its value unless it is a hard one.
static inline int chdf5_link_type(hid_t group, const char *name, size_t *value_size) {
    H5L_info_t information;
    if (H5Lget_info(group, name, &information, H5P_DEFAULT) < 0) return H5L_TYPE_ERROR;
    *value_size = information.type == H5L_TYPE_HARD ? 0 : information.u.val_size;
    return information.type;
}
