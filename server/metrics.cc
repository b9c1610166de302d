#include "server/metrics.h"

#include <cmath>
#include <cstdio>

namespace rapport {

namespace {

std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

// "a="x",b="y"" without braces.
std::string RenderLabels(const Metrics::Labels& labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    if (!out.empty()) out += ',';
    out += name + "=\"" + Escape(value) + '"';
  }
  return out;
}

std::string Braced(const std::string& labels, const std::string& more = "") {
  if (labels.empty() && more.empty()) return "";
  return "{" + labels + (labels.empty() || more.empty() ? "" : ",") + more + "}";
}

std::string Number(double value) {
  char buffer[40];
  const bool whole = std::fabs(value) < 9e15 && value == std::floor(value);
  std::snprintf(buffer, sizeof(buffer), whole ? "%.0f" : "%.9g", value);
  return buffer;
}

}  // namespace

void Histogram::Observe(double seconds) {
  size_t bucket = 0;
  while (bucket < kUpperBoundsSeconds.size() && seconds > kUpperBoundsSeconds[bucket]) ++bucket;
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_microseconds_.fetch_add(static_cast<uint64_t>(std::max(0.0, seconds) * 1e6), std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
  return count;
}

Counter& Metrics::counter(const std::string& name, const Labels& labels, const std::string& help) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.type = "counter";
  if (!help.empty()) family.help = help;
  auto& slot = family.counters[RenderLabels(labels)];
  if (!slot) slot = std::make_unique<Counter>();
  return *slot;
}

Gauge& Metrics::gauge(const std::string& name, const Labels& labels, const std::string& help) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.type = "gauge";
  if (!help.empty()) family.help = help;
  auto& slot = family.gauges[RenderLabels(labels)];
  if (!slot) slot = std::make_unique<Gauge>();
  return *slot;
}

Histogram& Metrics::histogram(const std::string& name, const Labels& labels, const std::string& help) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.type = "histogram";
  if (!help.empty()) family.help = help;
  auto& slot = family.histograms[RenderLabels(labels)];
  if (!slot) slot = std::make_unique<Histogram>();
  return *slot;
}

void Metrics::AddSource(const std::string& name, const std::string& help, std::function<double()> read) {
  std::lock_guard lock(mutex_);
  Family& family = families_[name];
  family.type = name.ends_with("_total") ? "counter" : "gauge";
  family.help = help;
  family.read = std::move(read);
}

std::string Metrics::Render() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    if (!family.help.empty()) out += "# HELP " + name + " " + family.help + "\n";
    out += "# TYPE " + name + " " + family.type + "\n";
    for (const auto& [labels, counter] : family.counters) {
      out += name + Braced(labels) + " " + std::to_string(counter->value()) + "\n";
    }
    for (const auto& [labels, gauge] : family.gauges) {
      out += name + Braced(labels) + " " + std::to_string(gauge->value()) + "\n";
    }
    for (const auto& [labels, histogram] : family.histograms) {
      uint64_t below = 0;
      for (size_t i = 0; i <= Histogram::kUpperBoundsSeconds.size(); ++i) {
        below += histogram->buckets_[i].load(std::memory_order_relaxed);
        const bool last = i == Histogram::kUpperBoundsSeconds.size();
        const std::string bound = last ? "+Inf" : Number(Histogram::kUpperBoundsSeconds[i]);
        out += name + "_bucket" + Braced(labels, "le=\"" + bound + "\"") + " " + std::to_string(below) + "\n";
      }
      const double sum = static_cast<double>(histogram->sum_microseconds_.load(std::memory_order_relaxed)) * 1e-6;
      out += name + "_sum" + Braced(labels) + " " + Number(sum) + "\n";
      out += name + "_count" + Braced(labels) + " " + std::to_string(below) + "\n";
    }
    if (family.read) out += name + " " + Number(family.read()) + "\n";
  }
  return out;
}

}  // namespace rapport
