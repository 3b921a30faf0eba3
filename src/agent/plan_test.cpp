#include "agent/plan.hpp"

#include <gtest/gtest.h>
TEST(PlanX, x) {}
