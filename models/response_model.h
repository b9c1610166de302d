// Whether a customer answers a contact, and when a customer is here: two heads that share one vector per customer.
//
//   response  logit P(answer | u, h, c, i) = m + b_u + b[c][h] + b[i][c] + b[kind(i)][h] + b[place]
//                                            + a x affinity + p_u . (q_h + r_c + s_i) + f_c(recent sends)
//   activity  P(h | u) = softmax over the 168 hours of log g_h + b[segment][h] + p_u . t_h
//   h is the hour of the week on the customer's own wall clock; what depends on h is smoothed on the circle.
//   p_u ~ N(W traits_u, S): traits alone are the cold start. The personal part is multiplied by a damping that depends
//   on the stratum of evidence (how many trials, how many marks); nothing known and no traits: exactly the global
//   curve.
// Source: docs/MODELS.md "Timing and channel".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace rapport {

inline constexpr uint32_t kNoContent = ~0u;  // a content the model has not learned from: its kind speaks

// One contact that was sent, and what became of it.
struct ResponseTrial {
  uint32_t content = kNoContent;  // row of ResponseShape::content_kind
  uint16_t hour = 0;              // of the week, 0..167, customer's wall clock
  uint8_t channel = 0, place = 0, kind = 0;
  bool responded = false, unsubscribed = false;
  float affinity = 0;      // the content model's standardised score of (customer, content); 0: not known
  float recent_sends = 0;  // sends before this one, each decayed by its age
  float age_days = 0;      // at the time of the fit, or of the fold-in
};

struct ResponseShape {
  uint32_t channels = 1, places = 1, kinds = 1, segments = 1, traits = 0;
  std::vector<uint8_t> content_kind;  // by content
};

// All that is known of one customer.
struct CustomerEvidence {
  uint32_t segment = 0;
  std::span<const uint32_t> traits;  // rows of W, ascending
  std::span<const ResponseTrial> trials;
  std::span<const uint16_t> activity_hours;  // hours of the week of what the customer did, visits within an hour once
};

}  // namespace rapport
