// SPDX-License-Identifier: Apache-2.0
// Channels and selects in their plainest uses. More: go_channel_test.cpp, go_select_test.cpp.
#include <greenroom/greenroom.hpp>

#include "unit_test.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

