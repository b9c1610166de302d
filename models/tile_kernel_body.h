// The one hot loop of symmetric_inverse.cc, for one vector width; included several times, each time inside a namespace
// and with other target options, as kernels_rows_body.h is. No include guard on purpose.
//
//   c[r][j] += sum_k a[r][k] b[k][j]     all (T, T), row major; k ascending for every element, products rounded before
//                                        they are added: the same bits on every instruction set

typedef float TileVector __attribute__((vector_size(4 * RAPPORT_LANES)));

// Four rows and RAPPORT_COLUMNS vectors of c stay in registers over the whole of k.
static void MultiplyAdd(const float* a, const float* b, float* c) {
  constexpr size_t kWidth = RAPPORT_LANES * RAPPORT_COLUMNS;
  for (size_t row = 0; row < kTileSize; row += 4) {
    for (size_t column = 0; column < kTileSize; column += kWidth) {
      TileVector sum[4][RAPPORT_COLUMNS];
      for (size_t r = 0; r < 4; ++r) {
        for (size_t v = 0; v < RAPPORT_COLUMNS; ++v) {
          __builtin_memcpy(&sum[r][v], c + (row + r) * kTileSize + column + v * RAPPORT_LANES, sizeof(TileVector));
        }
      }
      for (size_t k = 0; k < kTileSize; ++k) {
        TileVector right[RAPPORT_COLUMNS];
        for (size_t v = 0; v < RAPPORT_COLUMNS; ++v) {
          __builtin_memcpy(&right[v], b + k * kTileSize + column + v * RAPPORT_LANES, sizeof(TileVector));
        }
        for (size_t r = 0; r < 4; ++r) {
          const float left = a[(row + r) * kTileSize + k];
          for (size_t v = 0; v < RAPPORT_COLUMNS; ++v) sum[r][v] += left * right[v];
        }
      }
      for (size_t r = 0; r < 4; ++r) {
        for (size_t v = 0; v < RAPPORT_COLUMNS; ++v) {
          __builtin_memcpy(c + (row + r) * kTileSize + column + v * RAPPORT_LANES, &sum[r][v], sizeof(TileVector));
        }
      }
    }
  }
}
