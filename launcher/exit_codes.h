#pragma once
// What the program ends with.

namespace tutti {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kBadUsage = 2;
inline constexpr int kStoppedBySignal = 75;  // can be started again to go on
inline constexpr int kHungOrVanished = 76;   // as dist::hang_code

}  // namespace tutti
