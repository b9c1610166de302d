// Conjugate gradients on one row of iALS (formulas: als_steps.h), for one vector width; the last of the bodies, with
// the table of all kernels at its end, and included like them. Sums of doubles run in 16 lanes: the same bits on every
// instruction set.

// Sums of doubles in 16 lanes: element k goes to lane k % 16; folded as dots are.
struct WideSum {
  static constexpr size_t kParts = 16 / kWideLanes;
  WideVector parts[kParts] = {};
  double Folded() const {
    double lanes[16];
    for (size_t part = 0; part < kParts; ++part) StoreWide(lanes + part * kWideLanes, parts[part]);
    for (size_t width = 8; width > 0; width /= 2) {
      for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
    }
    return lanes[0];
  }
};

static inline WideVector LoadAsWide(const float* p) {
  HalfVector v;
  __builtin_memcpy(&v, p, sizeof(v));
  return __builtin_convertvector(v, WideVector);
}
static inline void StoreAsFloat(float* p, WideVector v) {
  const HalfVector narrow = __builtin_convertvector(v, HalfVector);
  __builtin_memcpy(p, &narrow, sizeof(narrow));
}

static double BeginSteps(size_t size, const StepVectors& s) {
  WideSum rest;
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 8
    for (size_t part = 0; part < WideSum::kParts; ++part) {
      const size_t k = j + part * kWideLanes;
      const WideVector diagonal = LoadWide(s.diagonal + k), x = LoadAsWide(s.direction + k);
      const WideVector residual = LoadWide(s.residual + k) - diagonal * x;
      const WideVector inverse = 1.0 / diagonal, turned = residual * inverse;
      StoreWide(s.solution + k, x);
      StoreWide(s.residual + k, residual);
      StoreWide(s.inverse + k, inverse);
      StoreWide(s.turned + k, turned);
      StoreAsFloat(s.direction + k, turned);
      rest.parts[part] += residual * turned;
    }
  }
  return rest.Folded();
}

static double Curvature(size_t size, const StepVectors& s) {
  WideSum sum;
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 8
    for (size_t part = 0; part < WideSum::kParts; ++part) {
      const size_t k = j + part * kWideLanes;
      const WideVector direction = LoadAsWide(s.direction + k);
      sum.parts[part] += LoadWide(s.diagonal + k) * direction * direction;
    }
  }
  return sum.Folded();
}

static double CurvatureOfProduct(size_t size, const StepVectors& s) {
  WideSum sum;
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 8
    for (size_t part = 0; part < WideSum::kParts; ++part) {
      const size_t k = j + part * kWideLanes;
      const WideVector direction = LoadAsWide(s.direction + k);
      const WideVector product = LoadWide(s.diagonal + k) * direction - LoadWide(s.product + k);
      StoreWide(s.product + k, product);
      sum.parts[part] += product * direction;
    }
  }
  return sum.Folded();
}

static double TakeStep(size_t size, double length, const StepVectors& s) {
  WideSum rest;
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 8
    for (size_t part = 0; part < WideSum::kParts; ++part) {
      const size_t k = j + part * kWideLanes;
      StoreWide(s.solution + k, LoadWide(s.solution + k) + length * LoadAsWide(s.direction + k));
      const WideVector residual = LoadWide(s.residual + k) - length * LoadWide(s.product + k);
      StoreWide(s.residual + k, residual);
      rest.parts[part] += residual * residual * LoadWide(s.inverse + k);
    }
  }
  return rest.Folded();
}

static void TurnDirection(size_t size, double turn, const StepVectors& s) {
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 8
    for (size_t part = 0; part < WideSum::kParts; ++part) {
      const size_t k = j + part * kWideLanes;
      const WideVector turned = LoadWide(s.residual + k) * LoadWide(s.inverse + k) + turn * LoadWide(s.turned + k);
      StoreWide(s.turned + k, turned);
      StoreAsFloat(s.direction + k, turned);
    }
  }
}

static void EndSteps(size_t size, double length, const StepVectors& s) {
  for (size_t j = 0; j < size; j += 16) {
#pragma GCC unroll 8
    for (size_t part = 0; part < WideSum::kParts; ++part) {
      const size_t k = j + part * kWideLanes;
      StoreAsFloat(s.direction + k, LoadWide(s.solution + k) + length * LoadAsWide(s.direction + k));
    }
  }
}

// residual = sum_r w_r (1 - row_r . x) row_r. From zero, as in a first epoch, no dot is asked for: AddProjection's sums
// to the bit.
static void FirstResidual(const StepRows& rows, size_t size, const StepVectors& s) {
  for (size_t k = 0; k < size; k += kWideLanes) StoreWide(s.residual + k, WideVector{});
  size_t zeros = 0;
  while (zeros < size && s.direction[zeros] == 0) ++zeros;
  if (zeros < size) {
    AddProjection(rows.table, rows.indices, rows.weights, rows.count, size, s.direction, 1.0f, rows.ahead, s.residual);
    return;
  }
  constexpr size_t kChunk = 64;
  float part[kSizeMax];
  for (size_t first = 0; first < rows.count; first += kChunk) {
    const size_t count = rows.count - first < kChunk ? rows.count - first : kChunk;
    SumNamed(rows.table, rows.indices + first, rows.weights + first, count, size, part);
    for (size_t j = 0; j < size; j += kLanes) AddWide(s.residual + j, Load(part + j));
  }
}

static void ConjugateGradients(const StepRows& rows, size_t size, int steps, const StepVectors& s) {
  FirstResidual(rows, size, s);
  double rest = BeginSteps(size, s), length = 0;
  for (int step = 1; step <= steps && rest > 0; ++step) {
    if (step == steps) {  // the last step asks for no product, only for its length
      const double curvature =
          ProjectionEnergy(rows.table, rows.indices, rows.weights, rows.count, size, s.direction, 0) +
          Curvature(size, s);
      if (curvature > 0) length = rest / curvature;
      break;
    }
    for (size_t k = 0; k < size; k += kWideLanes) StoreWide(s.product + k, WideVector{});
    AddProjection(rows.table, rows.indices, rows.weights, rows.count, size, s.direction, 0.0f, rows.ahead_again,
                  s.product);
    const double curvature = CurvatureOfProduct(size, s);
    if (!(curvature > 0)) break;  // nothing is left to gain
    const double next = TakeStep(size, rest / curvature, s);
    TurnDirection(size, next / rest, s);
    rest = next;
  }
  EndSteps(size, length, s);
}

static constexpr Kernels kTable{DotRows,          AddScaled,       AddOuter,           AddOuterDouble, AddOuterWide,
                                AddCombination,   AddProjection,   ConjugateGradients, Cholesky,       CholeskySolve,
                                RotateRows,       RotateRowsFloat, Reaching,           Highest,        DotNamed,
                                ProjectionEnergy, SumNamed,        ScaledRoots};
