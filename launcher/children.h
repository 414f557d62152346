#pragma once
// The processes that a process answers for.

#include <chrono>

namespace tutti {

// From here on a descendant whose parent ends becomes a child of this process, rather than of init.
void adopt_orphans();

// Kills the children of this process, those that it adopts meanwhile included, and waits for their end.
// Returns how many are left after `limit`: a process that waits in the kernel for a device or a file system
// cannot be killed.
int end_children(std::chrono::milliseconds limit);

}  // namespace tutti
