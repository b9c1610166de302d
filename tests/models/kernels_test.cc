// Every instruction set gives the same bits, and the right ones.
#include "models/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/random.h"

namespace rapport::kernels {
namespace {

std::vector<InstructionSet> SupportedSets() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set : {InstructionSet::kBaseline, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (IsSupported(set)) sets.push_back(set);
  }
  return sets;
}

std::vector<float> RandomFloats(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

std::vector<float> RandomRows(size_t count, size_t size, size_t stride, uint64_t seed) {
  std::vector<float> rows = RandomFloats(count * stride, seed);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = i % stride < size ? rows[i] : 0.0f;
  return rows;
}

TEST(KernelsTest, DotRowsIsItsDefinitionOnEverySet) {
  for (size_t size : {1, 7, 8, 15, 16, 17, 64, 100, 1024, 1100}) {
    for (size_t count : {0, 1, 3, 4, 9}) {
      const std::vector<float> rows = RandomFloats(count * size, size), vector = RandomFloats(size, 99);
      std::vector<float> expected(count);  // the association that kernels.h promises
      for (size_t r = 0; r < count; ++r) {
        std::vector<float> lanes(16);
        for (size_t j = 0; j < size; ++j) {
          const volatile float product = rows[r * size + j] * vector[j];  // volatile: never fused
          lanes[j % 16] += product;
        }
        for (size_t width = 8; width > 0; width /= 2) {
          for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
        }
        expected[r] = lanes[0];
      }
      for (InstructionSet set : SupportedSets()) {
        std::vector<float> out(count, -1.0f);
        KernelsOf(set).dot_rows(rows.data(), count, size, vector.data(), out.data());
        EXPECT_EQ(out, expected) << "size " << size << " count " << count << " set " << static_cast<int>(set);
      }
    }
  }
}

TEST(KernelsTest, AFusedSumWouldBeSeen) {  // the broken twin: the same association with fused products
  const std::vector<float> rows = RandomFloats(64 * 50, 1), vector = RandomFloats(64, 2);
  std::vector<float> out(50);
  KernelsOf(InstructionSet::kBaseline).dot_rows(rows.data(), 50, 64, vector.data(), out.data());
  size_t different = 0;
  for (size_t r = 0; r < 50; ++r) {
    float lanes[16] = {};
    for (size_t j = 0; j < 64; ++j) lanes[j % 16] = std::fma(rows[r * 64 + j], vector[j], lanes[j % 16]);
    for (size_t width = 8; width > 0; width /= 2) {
      for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    }
    different += lanes[0] != out[r];
  }
  EXPECT_GT(different, 10u);
}

TEST(KernelsTest, AddOuterAgrees) {
  for (size_t size : {8, 20, 64}) {
    const size_t stride = (size + 15) / 16 * 16;
    const std::vector<float> rows = RandomRows(37, size, stride, size);
    const std::vector<double> wide_rows(rows.begin(), rows.end());
    for (InstructionSet set : SupportedSets()) {
      std::vector<float> matrix(stride * stride, 1.0f), first = matrix;
      KernelsOf(set).add_outer(rows.data(), 37, stride, matrix.data());
      KernelsOf(InstructionSet::kBaseline).add_outer(rows.data(), 37, stride, first.data());
      std::vector<double> wide(stride * stride, 1.0);
      KernelsOf(set).add_outer_double(wide_rows.data(), 37, stride, wide.data());
      for (size_t i = 0; i < stride; ++i) {
        for (size_t j = i; j < stride; ++j) {
          double expected = 1.0;
          for (size_t r = 0; r < 37; ++r) expected += wide_rows[r * stride + i] * wide_rows[r * stride + j];
          EXPECT_NEAR(matrix[i * stride + j], expected, 1e-4);
          EXPECT_NEAR(wide[i * stride + j], expected, 1e-11);
          EXPECT_EQ(matrix[i * stride + j], first[i * stride + j]);
        }
      }
    }
  }
}

TEST(KernelsTest, AddOuterWideAgrees) {
  for (size_t stride : {16, 48, 64, 144}) {
    for (size_t count : {1, 63, 64, 150}) {
      const std::vector<float> rows = RandomFloats(count * stride, stride);
      std::vector<double> first;
      for (InstructionSet set : SupportedSets()) {
        std::vector<double> matrix(stride * stride, 1.0);
        KernelsOf(set).add_outer_wide(rows.data(), count, stride, matrix.data());
        for (size_t i = 0; i < stride; ++i) {
          for (size_t j = 0; j < i; ++j) matrix[i * stride + j] = 0;  // undefined
        }
        if (first.empty()) first = matrix;
        EXPECT_EQ(matrix, first) << count << " x " << stride;
      }
      for (size_t i = 0; i < stride; ++i) {
        for (size_t j = i; j < stride; ++j) {
          double expected = 1.0;
          for (size_t first_row = 0; first_row < count; first_row += 64) {
            float part = 0;
            for (size_t r = first_row; r < std::min(count, first_row + 64); ++r) {
              const volatile float product = rows[r * stride + i] * rows[r * stride + j];
              part += product;
            }
            expected += part;
          }
          EXPECT_EQ(first[i * stride + j], expected);
        }
      }
    }
  }
}

TEST(KernelsTest, AddScaledAgrees) {
  for (size_t size : {1, 8, 20, 64}) {
    const size_t stride = (size + 15) / 16 * 16;
    const std::vector<float> source = RandomFloats(size, size);
    std::vector<float> expected(stride), expected_sum(stride, 1.0f);
    for (size_t k = 0; k < size; ++k) {
      expected[k] = 1.7f * source[k];
      const volatile float product = 1.7f * expected[k];
      expected_sum[k] += product;
    }
    for (InstructionSet set : SupportedSets()) {
      std::vector<float> row(stride, -1.0f), sum(stride, 1.0f);
      KernelsOf(set).add_scaled(source.data(), size, stride, 1.7f, row.data(), sum.data());
      EXPECT_EQ(row, expected) << size;
      EXPECT_EQ(sum, expected_sum) << size;
    }
  }
}

TEST(KernelsTest, AddCombinationAgrees) {
  for (size_t stride : {16, 32, 64}) {
    const std::vector<float> rows = RandomFloats(21 * stride, stride), coefficients = RandomFloats(21, 4);
    std::vector<double> expected(stride, 0.5);
    for (size_t r = 0; r < 21; ++r) {
      for (size_t j = 0; j < stride; ++j) expected[j] += double{coefficients[r]} * rows[r * stride + j];
    }
    for (InstructionSet set : SupportedSets()) {
      std::vector<double> sum(stride, 0.5);
      KernelsOf(set).add_combination(rows.data(), 21, stride, coefficients.data(), sum.data());
      EXPECT_EQ(sum, expected) << stride;
    }
  }
}

TEST(KernelsTest, AddProjectionAgrees) {
  for (size_t size : {16, 64, 144}) {
    for (size_t count : {1, 4, 5, 63, 64, 131}) {
      const std::vector<float> table = RandomFloats(40 * size, size), vector = RandomFloats(size, 2);
      std::vector<uint32_t> indices(count);
      for (size_t r = 0; r < count; ++r) indices[r] = static_cast<uint32_t>(r * 7 % 40);
      std::vector<float> weights = RandomFloats(count, 3);
      std::vector<double> expected(size, 0.5);
      for (size_t first = 0; first < count; first += 64) {
        std::vector<float> part(size);
        for (size_t r = first; r < std::min(count, first + 64); ++r) {
          const float* row = table.data() + indices[r] * size;
          float dot = 0;
          KernelsOf(InstructionSet::kBaseline).dot_rows(row, 1, size, vector.data(), &dot);
          const float coefficient = weights[r] * (1.0f - dot);
          for (size_t j = 0; j < size; ++j) {
            const volatile float product = coefficient * row[j];
            part[j] += product;
          }
        }
        for (size_t j = 0; j < size; ++j) expected[j] += part[j];
      }
      for (InstructionSet set : SupportedSets()) {
        for (size_t ahead : {0, 8}) {
          std::vector<double> sum(size, 0.5);
          KernelsOf(set).add_projection(table.data(), indices.data(), weights.data(), count, size, vector.data(), 1.0f,
                                        ahead, sum.data());
          EXPECT_EQ(sum, expected) << size << " x " << count;
        }
      }
    }
  }
}

// In doubles, from the definition; the last step's length from its product like that of the others.
std::vector<double> ReferenceSteps(const std::vector<std::vector<double>>& matrix, const std::vector<double>& right,
                                   const std::vector<double>& diagonal, int steps, std::vector<double> x) {
  const size_t size = x.size();
  const auto times = [&](const std::vector<double>& v) {
    std::vector<double> out(size);
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) out[i] += matrix[i][j] * v[j];
    }
    return out;
  };
  std::vector<double> residual = right, p(size);
  const std::vector<double> start = times(x);
  double rest = 0;
  for (size_t k = 0; k < size; ++k) {
    residual[k] -= start[k];
    p[k] = residual[k] / diagonal[k];
    rest += residual[k] * p[k];
  }
  for (int step = 0; step < steps; ++step) {
    const std::vector<double> product = times(p);
    double curvature = 0, next = 0;
    for (size_t k = 0; k < size; ++k) curvature += p[k] * product[k];
    for (size_t k = 0; k < size; ++k) {
      x[k] += rest / curvature * p[k];
      residual[k] -= rest / curvature * product[k];
      next += residual[k] * residual[k] / diagonal[k];
    }
    for (size_t k = 0; k < size; ++k) p[k] = residual[k] / diagonal[k] + next / rest * p[k];
    rest = next;
  }
  return x;
}

struct StepsCase {
  size_t size, count;
  std::vector<float> table, weights, start;
  std::vector<uint32_t> indices;
  std::vector<double> diagonal;
  StepsCase(size_t the_size, size_t the_count)
      : size(the_size), count(the_count), table(RandomFloats(40 * size, size)) {
    Random random(size + count);
    start = RandomFloats(size, 2);
    for (size_t k = 0; k < size; ++k) diagonal.push_back(1 + 10 * random.Uniform());
    for (size_t r = 0; r < count; ++r) {
      indices.push_back(static_cast<uint32_t>(random.Below(40)));
      weights.push_back(static_cast<float>(0.1 + random.Uniform()));
    }
  }
  std::vector<float> Take(InstructionSet set, int steps) const {
    std::vector<double> space(5 * size, 7.0);
    std::vector<float> x = start;
    double* at = space.data();
    const auto next = [&] { return std::exchange(at, at + size); };
    const StepVectors vectors{diagonal.data(), next(), next(), next(), next(), next(), x.data()};
    KernelsOf(set).conjugate_gradients({table.data(), indices.data(), weights.data(), count, 8, 0}, size, steps,
                                       vectors);
    return x;
  }
  std::vector<double> Expected(int steps) const {
    std::vector<std::vector<double>> matrix(size, std::vector<double>(size));
    std::vector<double> right(size);
    for (size_t k = 0; k < size; ++k) matrix[k][k] = diagonal[k];
    for (size_t r = 0; r < count; ++r) {
      const float* row = table.data() + indices[r] * size;
      for (size_t i = 0; i < size; ++i) {
        right[i] += double{weights[r]} * row[i];
        for (size_t j = 0; j < size; ++j) matrix[i][j] += double{weights[r]} * row[i] * row[j];
      }
    }
    return ReferenceSteps(matrix, right, diagonal, steps, {start.begin(), start.end()});
  }
};

double Distance(const std::vector<float>& x, const std::vector<double>& y) {
  double largest = 0;
  for (size_t k = 0; k < x.size(); ++k) largest = std::max(largest, std::abs(x[k] - y[k]));
  return largest;
}

TEST(KernelsTest, ConjugateGradientsAreTheirDefinitionOnEverySetAlike) {
  for (size_t size : {16, 64, 144}) {
    for (size_t count : {1, 2, 5, 64, 131}) {
      const StepsCase one(size, count);
      for (int steps : {1, 2, 5}) {
        const std::vector<float> first = one.Take(InstructionSet::kBaseline, steps);
        EXPECT_LT(Distance(first, one.Expected(steps)), 2e-5) << size << " x " << count << ", " << steps << " steps";
        for (InstructionSet set : SupportedSets()) EXPECT_EQ(one.Take(set, steps), first);
      }
    }
  }
}

// No dot is asked for from zero; next to zero all are, and change no bit.
TEST(KernelsTest, ConjugateGradientsFromZeroAreThoseFromNextToZero) {
  for (size_t size : {16, 48, 64, 144}) {
    for (size_t count : {1, 5, 64, 131}) {
      StepsCase zero(size, count), near = zero;
      zero.start.assign(size, 0.0f);
      near.start = zero.start;
      near.start[size - 1] = 1e-38f;
      for (InstructionSet set : SupportedSets())
        EXPECT_EQ(zero.Take(set, 2), near.Take(set, 2)) << size << " x " << count;
      EXPECT_LT(Distance(zero.Take(InstructionSet::kBaseline, 2), zero.Expected(2)), 2e-5);
      EXPECT_NE(zero.Take(InstructionSet::kBaseline, 2), StepsCase(size, count).Take(InstructionSet::kBaseline, 2));
    }
  }
}

TEST(KernelsTest, AStepMoreOrLessWouldBeSeen) {  // the broken twin
  const StepsCase one(64, 131);
  EXPECT_GT(Distance(one.Take(InstructionSet::kBaseline, 2), one.Expected(1)), 1e-3);
  EXPECT_GT(Distance(one.Take(InstructionSet::kBaseline, 2), one.Expected(3)), 1e-3);
}

TEST(KernelsTest, CholeskySolvesOnEverySetAlike) {
  for (size_t size : {4, 8, 16, 20, 36, 64, 128}) {
    const size_t stride = (size + 15) / 16 * 16;
    const std::vector<float> rows = RandomRows(2 * size, size, stride, size);
    std::vector<float> matrix(stride * stride);
    KernelsOf(InstructionSet::kBaseline).add_outer(rows.data(), 2 * size, stride, matrix.data());
    for (size_t k = 0; k < size; ++k) matrix[k * (stride + 1)] += 1.0f;
    std::vector<float> right = RandomRows(1, size, stride, 5), first;
    for (InstructionSet set : SupportedSets()) {
      std::vector<float> upper = matrix, x = right, scratch(stride);
      ASSERT_TRUE(KernelsOf(set).cholesky(upper.data(), size, stride, 1e-6f));
      KernelsOf(set).cholesky_solve(upper.data(), size, stride, x.data(), scratch.data());
      x.resize(size);
      if (first.empty()) first = x;
      EXPECT_EQ(x, first) << "size " << size;
      for (size_t i = 0; i < size; ++i) {  // matrix x = right
        double left = 0, scale = 0;
        for (size_t j = 0; j < size; ++j) {
          const double term = double{matrix[std::min(i, j) * stride + std::max(i, j)]} * x[j];
          left += term;
          scale += std::abs(term);
        }
        EXPECT_NEAR(left, right[i], 1e-5 * (scale + 1));
      }
    }
  }
}

TEST(KernelsTest, CholeskyRefusesWhatIsNotPositiveDefinite) {
  for (InstructionSet set : SupportedSets()) {
    for (float bad : {-1.0f, 0.0f, 1.0f, NAN, INFINITY}) {  // 1: rank deficient beside an equal row
      std::vector<float> matrix(16 * 16);
      for (size_t k = 0; k < 16; ++k) matrix[k * 17] = 1.0f;
      matrix[1] = 1.0f;  // (0, 1)
      matrix[17] = bad;
      EXPECT_FALSE(KernelsOf(set).cholesky(matrix.data(), 16, 16, 1e-6f)) << bad;
    }
  }
}

TEST(KernelsTest, RotateRowsAgrees) {
  for (size_t size : {1, 8, 20, 64}) {
    const size_t stride = (size + 15) / 16 * 16;
    std::vector<double> basis(size * stride);
    Random random(3);
    for (size_t j = 0; j < size; ++j) {
      for (size_t k = 0; k < size; ++k) basis[j * stride + k] = random.Normal();
    }
    for (size_t count : {1, 4, 7}) {
      const std::vector<float> rows = RandomFloats(count * size, 8);
      std::vector<float> expected(rows.size());
      for (size_t r = 0; r < count; ++r) {
        for (size_t k = 0; k < size; ++k) {
          double sum = 0;
          for (size_t j = 0; j < size; ++j) sum += rows[r * size + j] * basis[j * stride + k];
          expected[r * size + k] = static_cast<float>(sum);
        }
      }
      for (InstructionSet set : SupportedSets()) {
        std::vector<float> rotated = rows;
        KernelsOf(set).rotate_rows(rotated.data(), count, size, basis.data(), stride);
        EXPECT_EQ(rotated, expected) << size << " x " << count;
      }
    }
  }
}

TEST(KernelsTest, RotateRowsFloatAgrees) {
  for (size_t size : {1, 8, 20, 48, 64, 80}) {
    const size_t stride = (size + 15) / 16 * 16;
    const std::vector<float> basis = RandomRows(size, size, stride, 3);
    for (size_t count : {1, 4, 7, 41}) {
      const std::vector<float> rows = RandomFloats(count * size, 8);
      std::vector<float> expected(rows.size());
      for (size_t r = 0; r < count; ++r) {
        for (size_t k = 0; k < size; ++k) {
          for (size_t j = 0; j < size; ++j) {
            const volatile float product = rows[r * size + j] * basis[j * stride + k];
            expected[r * size + k] += product;
          }
        }
      }
      for (InstructionSet set : SupportedSets()) {
        std::vector<float> rotated = rows;
        KernelsOf(set).rotate_rows_float(rotated.data(), count, size, basis.data(), stride);
        EXPECT_EQ(rotated, expected) << size << " x " << count;
      }
    }
  }
}

TEST(KernelsTest, ReachingIsAComparisonOfEach) {
  Random random(8);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> scores(64);
    for (float& score : scores) score = static_cast<float>(random.Below(5)) - 1;
    scores[random.Below(64)] = std::numeric_limits<float>::quiet_NaN();
    scores[random.Below(64)] = std::numeric_limits<float>::infinity();
    const float threshold = round % 2 == 0 ? 2.0f : std::numeric_limits<float>::denorm_min();
    uint64_t expected = 0;
    for (size_t i = 0; i < 64; ++i) expected |= uint64_t{scores[i] >= threshold} << i;
    for (const InstructionSet set : SupportedSets())
      EXPECT_EQ(KernelsOf(set).reaching(scores.data(), threshold), expected);
  }
}

TEST(KernelsTest, HighestIsTheLargestOfThoseNamedAboveZero) {
  Random random(9);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> scores(64);
    for (float& score : scores) score = static_cast<float>(random.Normal());
    scores[random.Below(64)] = std::numeric_limits<float>::quiet_NaN();
    if (round % 5 == 0) scores[random.Below(64)] = std::numeric_limits<float>::infinity();
    const uint64_t bits = round % 3 == 0 ? random.NextU64() : round % 3 == 1 ? ~uint64_t{0} : random.NextU64() & 5;
    float expected = 0;
    for (size_t i = 0; i < 64; ++i) {
      if ((bits >> i & 1) != 0 && scores[i] > expected) expected = scores[i];
    }
    for (const InstructionSet set : SupportedSets()) EXPECT_EQ(KernelsOf(set).highest(scores.data(), bits), expected);
  }
}

TEST(KernelsTest, DotsOfNamedRowsAreThoseOfTheRows) {
  Random random(10);
  for (const size_t size : {3, 16, 64, 128, 100}) {
    const std::vector<float> table = RandomFloats(50 * size, size), vector = RandomFloats(size, 7);
    for (const size_t count : {0, 1, 3, 4, 5, 23}) {
      std::vector<uint32_t> indices(count);
      for (uint32_t& index : indices) index = static_cast<uint32_t>(random.Below(50));
      std::vector<float> expected(count), out(count);
      for (size_t i = 0; i < count; ++i) {
        KernelsOf(InstructionSet::kBaseline)
            .dot_rows(table.data() + indices[i] * size, 1, size, vector.data(), &expected[i]);
      }
      for (const InstructionSet set : SupportedSets()) {
        KernelsOf(set).dot_named(table.data(), indices.data(), count, size, vector.data(), out.data());
        EXPECT_EQ(out, expected) << size << " x " << count;
      }
    }
  }
}

TEST(KernelsTest, SumsOfNamedRowsTakeThemInOrder) {
  Random random(12);
  for (const size_t size : {1, 3, 16, 32, 64, 100, 128, 200}) {
    const std::vector<float> table = RandomFloats(50 * size, size);
    for (const size_t count : {0, 1, 7, 8, 9, 40}) {
      std::vector<uint32_t> indices(count);
      for (uint32_t& index : indices) index = static_cast<uint32_t>(random.Below(50));
      const std::vector<float> weights = RandomFloats(count, 3);
      std::vector<float> expected(size), out(size, 5.0f);
      for (size_t r = 0; r < count; ++r) {
        for (size_t k = 0; k < size; ++k) expected[k] += weights[r] * table[indices[r] * size + k];
      }
      for (const InstructionSet set : SupportedSets()) {
        KernelsOf(set).sum_named(table.data(), indices.data(), weights.data(), count, size, out.data());
        EXPECT_EQ(out, expected) << size << " x " << count;
      }
    }
  }
}

TEST(KernelsTest, ProjectionEnergyIsTheSumOfWeightedSquaredDots) {
  Random random(13);
  for (const size_t size : {16, 64, 128}) {
    const std::vector<float> table = RandomFloats(50 * size, size), vector = RandomFloats(size, 7);
    for (const size_t count : {1, 4, 9, 40}) {
      std::vector<uint32_t> indices(count);
      for (uint32_t& index : indices) index = static_cast<uint32_t>(random.Below(50));
      const std::vector<float> weights = RandomFloats(count, 3);
      double expected = 0, sizes = 0;
      for (size_t r = 0; r < count; ++r) {
        double dot = 0;
        for (size_t k = 0; k < size; ++k) dot += static_cast<double>(table[indices[r] * size + k]) * vector[k];
        expected += static_cast<double>(weights[r]) * dot * dot;
        sizes += std::abs(static_cast<double>(weights[r])) * dot * dot;
      }
      const auto energy = [&](InstructionSet set, size_t ahead) {
        return KernelsOf(set).projection_energy(table.data(), indices.data(), weights.data(), count, size,
                                                vector.data(), ahead);
      };
      const double baseline = energy(InstructionSet::kBaseline, 0);
      EXPECT_NEAR(baseline, expected, 1e-5 * sizes + 1e-12);
      for (const InstructionSet set : SupportedSets()) EXPECT_EQ(energy(set, 8), baseline) << size << " x " << count;
    }
  }
}

TEST(KernelsTest, ScaledRootsAreTheirDefinition) {
  Random random(11);
  for (int round = 0; round < 100; ++round) {
    std::vector<float> scores(16), highest(16), expected(32), out(32);
    for (size_t i = 0; i < 16; ++i) {
      scores[i] = static_cast<float>(random.Normal());
      highest[i] = static_cast<float>(0.1 + random.Uniform());
    }
    scores[random.Below(16)] = std::numeric_limits<float>::quiet_NaN();
    scores[random.Below(16)] = std::numeric_limits<float>::infinity();
    scores[random.Below(16)] = std::numeric_limits<float>::max();
    for (size_t i = 0; i < 16; ++i) {
      const bool counts = scores[i] > 0 && std::isfinite(scores[i]);
      expected[2 * i] = (counts ? scores[i] : 0.0f) / highest[i];
      expected[2 * i + 1] = std::sqrt(expected[2 * i]);
    }
    for (const InstructionSet set : SupportedSets()) {
      KernelsOf(set).scaled_roots(scores.data(), highest.data(), out.data());
      EXPECT_EQ(out, expected);
    }
  }
}

}  // namespace
}  // namespace rapport::kernels
