// Session kNN: what else was in the recent sessions that are most like this one (Jannach and Ludewig 2017; Ludewig and
// Jannach 2018, "Evaluation of session-based recommendation algorithms"; idf as in their V-SKNN).
//   items of this session, newest first, p = 0, 1, ...:  w_p = (1 + p)^-position_power
//   sim(n)   = sum over shared items w_p idf_i / sqrt(|n|),  idf_i = log(1 + sessions / sessions with i)
//   score(j) = sum of sim(n) over the `neighbours` most similar n with j, out of the `candidates` newest that share an
//   item
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace rapport {

struct SessionOptions {
  size_t sessions_max = 50000;  // the newest ones are kept
  size_t items_max = 100;       // of one session: its first ones
  size_t candidates = 1000;
  size_t neighbours = 200;
  size_t items_asked_max = 20;  // newest items of the session that is asked about
  double position_power = 0.5;
};

// Immutable after Fit or load.
struct SessionModel {
  uint32_t items = 0;                // rows
  std::vector<uint64_t> offsets{0};  // (sessions + 1), oldest session first
  std::vector<uint32_t> rows;        // of each session, in the order they came, unique within it
  // Derived by PrepareSessions.
  std::vector<uint64_t> by_item_offsets;  // (items + 1)
  std::vector<uint32_t> by_item;          // sessions with the item, oldest first
  std::vector<float> idf;                 // (items)

  uint32_t sessions() const { return static_cast<uint32_t>(offsets.size() - 1); }
};

// One session: rows in the order they came; repeated rows count once.
struct Session {
  int64_t time_ms = 0;
  std::vector<uint32_t> rows;
};

// Sessions of at least two items, oldest first (ties in the order given), the newest sessions_max of them.
SessionModel FitSessions(uint32_t items, std::vector<Session> sessions, const SessionOptions& options);
// The derived parts, after a load. REQUIRES rows below items.
void PrepareSessions(SessionModel& model);

// Scratch of one thread.
struct SessionScratch {
  std::vector<float> similarity;  // (sessions), left zero
  std::vector<uint32_t> touched;
  std::vector<uint64_t> nearest;  // similarity and session, packed
};
// Adds score(j) to scores (items); sets touched[j / 64], where there is one. `newest_first`: unique rows; those beyond
// items_asked_max are not looked at.
void AddSessionScores(const SessionModel& model, std::span<const uint32_t> newest_first, const SessionOptions& options,
                      SessionScratch& scratch, std::span<float> scores, std::span<uint8_t> touched_blocks = {});

}  // namespace rapport
