#pragma once
// Drop path and dropout whose masks are functions of (sample key, site, element): the same for a sample
// in any batch, on any rank and any device. Nothing is kept between calls.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tutti::models {

// Where in the network a mask is drawn; every call of one forward pass has its own.
using Site = std::int64_t;

// Uniform float32 in [0, 1) with 24 bits, [B, elements]: splitmix64 (Steele et al. 2014) of each
// sample's key, the site and the element's index. key_B is int64 on any device.
at::Tensor uniform_by_key(const at::Tensor& key_B, Site site, std::int64_t elements);

// Drops the branch of a whole sample with probability `rate` and scales the rest by 1 / (1 - rate), so
// that the mean is kept (Huang et al. 2016, scaled as timm does). x is [B, ...]; rate in [0, 1).
// Undefined key_B: x as it is.
at::Tensor drop_path(const at::Tensor& x, const at::Tensor& key_B, Site site, double rate);

// Drops single elements, likewise (Srivastava et al. 2014). Elements are numbered row-major within the
// sample, so the first rows of a longer x get the masks that the longer x would give them.
at::Tensor dropout(const at::Tensor& x, const at::Tensor& key_B, Site site, double rate);

}  // namespace tutti::models
