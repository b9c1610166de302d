#include "models/session_knn.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

namespace rapport {
namespace {

// Rows without repeats, in their order, at most `most`.
std::vector<uint32_t> FirstUnique(const std::vector<uint32_t>& rows, size_t most) {
  std::vector<uint32_t> out, sorted;
  for (const uint32_t row : rows) {
    if (out.size() == most) break;
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), row);
    if (at != sorted.end() && *at == row) continue;
    sorted.insert(at, row);
    out.push_back(row);
  }
  return out;
}

}  // namespace

SessionModel FitSessions(uint32_t items, std::vector<Session> sessions, const SessionOptions& options) {
  for (Session& session : sessions) session.rows = FirstUnique(session.rows, options.items_max);
  std::erase_if(sessions, [](const Session& session) { return session.rows.size() < 2; });
  std::stable_sort(sessions.begin(), sessions.end(),
                   [](const Session& a, const Session& b) { return a.time_ms < b.time_ms; });
  SessionModel model;
  model.items = items;
  const size_t first = sessions.size() - std::min(sessions.size(), options.sessions_max);
  for (size_t i = first; i < sessions.size(); ++i) {
    model.rows.insert(model.rows.end(), sessions[i].rows.begin(), sessions[i].rows.end());
    model.offsets.push_back(model.rows.size());
  }
  PrepareSessions(model);
  return model;
}

void PrepareSessions(SessionModel& model) {
  model.by_item_offsets.assign(size_t{model.items} + 1, 0);
  for (const uint32_t row : model.rows) ++model.by_item_offsets[size_t{row} + 1];
  for (size_t i = 0; i < model.items; ++i) model.by_item_offsets[i + 1] += model.by_item_offsets[i];
  model.by_item.resize(model.rows.size());
  std::vector<uint64_t> next(model.by_item_offsets.begin(), model.by_item_offsets.end() - 1);
  for (uint32_t session = 0; session < model.sessions(); ++session) {
    for (uint64_t k = model.offsets[session]; k < model.offsets[session + 1]; ++k) {
      model.by_item[next[model.rows[k]]++] = session;
    }
  }
  model.idf.assign(model.items, 0.0f);
  for (size_t i = 0; i < model.items; ++i) {
    const auto count = static_cast<double>(model.by_item_offsets[i + 1] - model.by_item_offsets[i]);
    if (count > 0) model.idf[i] = static_cast<float>(std::log(1 + model.sessions() / count));
  }
}

namespace {

// A session and how similar it is, as one number that orders as they do: the more similar first, of equals the newer.
// REQUIRES similarity >= 0.
uint64_t Packed(float similarity, uint32_t session) {
  return uint64_t{std::bit_cast<uint32_t>(similarity)} << 32 | session;
}
float SimilarityOf(uint64_t packed) { return std::bit_cast<float>(static_cast<uint32_t>(packed >> 32)); }
uint32_t SessionOf(uint64_t packed) { return static_cast<uint32_t>(packed); }

// Keeps the `count` most similar, in order.
void KeepNearest(size_t count, std::vector<uint64_t>& sessions) {
  if (sessions.size() > count) {
    std::nth_element(sessions.begin(), sessions.begin() + static_cast<ptrdiff_t>(count), sessions.end(),
                     std::greater<>());
    sessions.resize(count);
  }
  std::sort(sessions.begin(), sessions.end(), std::greater<>());  // one order of summation
}

// What is read some steps later lies anywhere.
constexpr size_t kAhead = 8;

}  // namespace

void AddSessionScores(const SessionModel& model, std::span<const uint32_t> newest_first, const SessionOptions& options,
                      SessionScratch& scratch, std::span<float> scores, std::span<uint8_t> touched_blocks) {
  scratch.nearest.clear();
  if (model.sessions() == 0) return;
  scratch.similarity.resize(model.sessions());
  scratch.touched.clear();
  const size_t asked = std::min(newest_first.size(), options.items_asked_max);
  for (size_t p = 0; p < asked; ++p) {
    const uint32_t row = newest_first[p];
    const float weight =
        static_cast<float>(std::pow(1.0 + static_cast<double>(p), -options.position_power) * model.idf[row]);
    // The newest ones of each item are enough: an older one is never among the newest of all.
    const uint64_t end = model.by_item_offsets[row + 1];
    const uint64_t begin = std::max(model.by_item_offsets[row], end - std::min<uint64_t>(end, options.candidates));
    for (uint64_t k = begin; k < end; ++k) {
      float& sum = scratch.similarity[model.by_item[k]];
      if (sum == 0) scratch.touched.push_back(model.by_item[k]);
      sum += weight;
    }
  }
  std::vector<uint32_t>& touched = scratch.touched;
  const size_t newest = std::min(touched.size(), options.candidates);
  if (newest < touched.size()) {
    std::nth_element(touched.begin(), touched.begin() + static_cast<ptrdiff_t>(newest), touched.end(),
                     std::greater<>());
  }
  std::vector<uint64_t>& nearest = scratch.nearest;
  for (size_t n = 0; n < newest; ++n) {
    if (n + kAhead < newest) __builtin_prefetch(&model.offsets[touched[n + kAhead]]);
    const uint32_t session = touched[n];
    const auto length = static_cast<float>(model.offsets[session + 1] - model.offsets[session]);
    nearest.push_back(Packed(scratch.similarity[session] / std::sqrt(length), session));
  }
  KeepNearest(options.neighbours, nearest);
  for (size_t n = 0; n < nearest.size(); ++n) {
    if (n + kAhead < nearest.size()) {
      __builtin_prefetch(model.rows.data() + model.offsets[SessionOf(nearest[n + kAhead])]);
    }
    const uint32_t session = SessionOf(nearest[n]);
    const float similarity = SimilarityOf(nearest[n]);
    for (uint64_t k = model.offsets[session]; k < model.offsets[session + 1]; ++k) {
      scores[model.rows[k]] += similarity;
      if (!touched_blocks.empty()) touched_blocks[model.rows[k] / 64] = 1;
    }
  }
  for (const uint32_t session : touched) scratch.similarity[session] = 0;
}

}  // namespace rapport
