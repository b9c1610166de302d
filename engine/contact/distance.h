// How far a customer is from a place: the haversine formula on a sphere of the Earth's mean radius.
//   d = 2 R asin sqrt(sin^2(dlat / 2) + cos lat_a cos lat_b sin^2(dlon / 2)),  R = 6371.0088 km
#pragma once

namespace rapport {

struct GeoPoint {
  double latitude = 0, longitude = 0;  // degrees, -90 to 90 and -180 to 180
};

double DistanceKm(const GeoPoint& a, const GeoPoint& b);

}  // namespace rapport
