// SPDX-License-Identifier: Apache-2.0
module greenroom/bench

go 1.19
