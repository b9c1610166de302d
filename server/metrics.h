// Named counters, gauges and histograms, rendered as Prometheus text (exposition format 0.0.4).
//   rapport_requests_total{route="/v1/track",status="2xx"} 17
//   rapport_request_seconds_bucket{route="/v1/track",le="0.005"} 16
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rapport {

// All of these are thread-safe.
class Counter {
 public:
  void Add(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void Add(int64_t by) { value_.fetch_add(by, std::memory_order_relaxed); }
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Latencies: buckets from 0.25 ms to 10 s, each about twice the one before.
class Histogram {
 public:
  static constexpr std::array<double, 16> kUpperBoundsSeconds{0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                              0.1,     0.2,    0.5,   1,     2,     5,    10,   30};
  void Observe(double seconds);
  uint64_t count() const;

 private:
  friend class Metrics;
  std::array<std::atomic<uint64_t>, kUpperBoundsSeconds.size() + 1> buckets_{};  // the last one: beyond every bound
  std::atomic<uint64_t> sum_microseconds_{0};
};

// Owns every instrument; references stay valid as long as it lives. Look one up once and keep it: lookups lock.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;
  Counter& counter(const std::string& name, const Labels& labels = {}, const std::string& help = "");
  Gauge& gauge(const std::string& name, const Labels& labels = {}, const std::string& help = "");
  Histogram& histogram(const std::string& name, const Labels& labels = {}, const std::string& help = "");
  // Reads a value when rendering (store statistics, caches). Counter-like when the name ends in "_total".
  void AddSource(const std::string& name, const std::string& help, std::function<double()> read);

  std::string Render() const;

 private:
  struct Family {
    std::string help, type;
    std::map<std::string, std::unique_ptr<Counter>> counters;  // by rendered labels
    std::map<std::string, std::unique_ptr<Gauge>> gauges;
    std::map<std::string, std::unique_ptr<Histogram>> histograms;
    std::function<double()> read;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Family> families_;
};

}  // namespace rapport
