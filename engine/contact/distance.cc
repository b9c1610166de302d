#include "engine/contact/distance.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rapport {

double DistanceKm(const GeoPoint& a, const GeoPoint& b) {
  constexpr double kRadiusKm = 6371.0088, kRadians = std::numbers::pi / 180;
  const double half_lat = std::sin((b.latitude - a.latitude) * kRadians / 2);
  const double half_lon = std::sin((b.longitude - a.longitude) * kRadians / 2);
  const double h =
      half_lat * half_lat + std::cos(a.latitude * kRadians) * std::cos(b.latitude * kRadians) * half_lon * half_lon;
  return 2 * kRadiusKm * std::asin(std::sqrt(std::min(1.0, h)));
}

}  // namespace rapport
