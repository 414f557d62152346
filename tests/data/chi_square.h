#pragma once
// Pearson's test of counts against the probabilities of their cells.

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace tutti::data {

// Fails where draws that follow the probabilities would once in a thousand (quantile by Wilson and Hilferty
// 1931). Cells where fewer than 5 are expected count as one.
inline void expect_fits(const std::vector<int>& counts, const std::vector<double>& probabilities,
                        const std::string& what) {
  ASSERT_EQ(counts.size(), probabilities.size()) << what;
  ASSERT_NEAR(std::reduce(probabilities.begin(), probabilities.end()), 1, 1e-9) << what;
  const double draws = std::reduce(counts.begin(), counts.end(), 0.0);
  double chi_square = 0, freedom = -1, rare = 0, rare_expected = 0;
  const auto add = [&](double count, double expected) {
    chi_square += (count - expected) * (count - expected) / expected;
    ++freedom;
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = draws * probabilities[i];
    if (expected >= 5) {
      add(counts[i], expected);
    } else {
      rare += counts[i];
      rare_expected += expected;
    }
  }
  if (rare_expected > 0) add(rare, rare_expected);
  ASSERT_GT(freedom, 0) << what;
  const double spread = 2 / (9 * freedom);
  EXPECT_LT(chi_square, freedom * std::pow(1 - spread + 3.0902 * std::sqrt(spread), 3))
      << what << ", " << freedom << " degrees of freedom";
}

inline void expect_uniform(const std::vector<int>& counts, const std::string& what) {
  expect_fits(counts, std::vector<double>(counts.size(), 1.0 / static_cast<double>(counts.size())), what);
}

}  // namespace tutti::data
