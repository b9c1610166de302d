#include "models/stack_shares.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "models/fold_in_shares.h"
#include "models/likeness.h"

namespace rapport {
namespace {

// What counts as the weight of an item when only some can be asked for: every source hears less of what is old.
constexpr double kWeighingHalfLifeDays = 365;

// Rows of the history, ascending: all, or those that weigh most and those that are targets themselves.
std::vector<uint32_t> RowsToRemove(std::span<const SignalLine> lines, Timestamp now, size_t count,
                                   std::span<const uint32_t> targets) {
  std::vector<SignalLine> sorted(lines.begin(), lines.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const SignalLine& a, const SignalLine& b) { return a.row < b.row; });
  std::vector<Scored> rows;
  for (const SignalLine& line : sorted) {
    const double age_days = static_cast<double>(std::max<int64_t>(0, now.ms - line.time.ms)) / kDayMs;
    const auto weight = static_cast<float>(std::abs(line.weight) * std::exp2(-age_days / kWeighingHalfLifeDays));
    if (rows.empty() || rows.back().index != line.row) rows.push_back({line.row, 0});
    rows.back().score += weight;
  }
  if (rows.size() > count) {
    for (Scored& row : rows) {
      if (std::find(targets.begin(), targets.end(), row.index) != targets.end()) row.score = HUGE_VALF;
    }
    std::sort(rows.begin(), rows.end(), Better);
    rows.resize(count);
  }
  std::vector<uint32_t> out;
  for (const Scored& row : rows) out.push_back(row.index);
  std::sort(out.begin(), out.end());
  return out;
}

size_t PlaceOf(const StackScratch& scratch, uint32_t row) {
  const auto at = std::lower_bound(scratch.candidates.begin(), scratch.candidates.end(), row);
  return static_cast<size_t>(at - scratch.candidates.begin());
}

float WeightOf(const StackScratch::WeightedRows& rows, uint32_t row) {
  const auto at = std::lower_bound(rows.rows.begin(), rows.rows.end(), row);
  return at == rows.rows.end() || *at != row ? 0.0f : rows.weights[static_cast<size_t>(at - rows.rows.begin())];
}

// A raw score that one item of the history is part of.
struct Term {
  size_t source;
  size_t probe;
  double amount;
};

// The raw scores of a few rows (probes: the targets and every source's leaders), and each history item's terms of them.
class Terms {
 public:
  // Asks the session kNN again in `scratch`: its sums and what it left behind are spent.
  Terms(const ContentModel& model, StackScratch& scratch, std::span<const uint32_t> targets,
        std::span<const uint32_t> history)
      : model_(model), scratch_(scratch), history_(history), probes_(targets.begin(), targets.end()) {
    for (size_t source = 0; source < kStackSources; ++source) {
      if (IsBoard(static_cast<StackSource>(source))) continue;
      const SourceLeaders& leaders = scratch.leaders[source];
      probes_.insert(probes_.end(), leaders.rows.begin(), leaders.rows.begin() + static_cast<ptrdiff_t>(leaders.count));
    }
    std::sort(probes_.begin(), probes_.end());
    probes_.erase(std::unique(probes_.begin(), probes_.end()), probes_.end());
    by_history_.resize(history.size());
    raw_.assign(kStackSources * probes_.size(), 0);
    Own(StackSource::kOwn365, scratch.own365);
    Own(StackSource::kOwn90, scratch.own90);
    Own(StackSource::kRepurchase, scratch.repurchase);
    Factors();
    Lists(StackSource::kBaskets60, model.bought_together, scratch.taste60);
    Lists(StackSource::kCustomers60, model.similar, scratch.taste60);
    Lists(StackSource::kAttributes, model.attributes.kin, scratch.taste60);
    Lists(StackSource::kBaskets365, model.bought_together, scratch.taste365);
    Lists(StackSource::kShallow, model.stack.shallow, scratch.taste365);
    Sessions();
  }

  size_t ProbeOf(uint32_t row) const { return *Find(row); }
  std::span<const Term> Of(size_t history) const { return by_history_[history]; }
  double& Raw(size_t source, size_t probe) { return raw_[source * probes_.size() + probe]; }
  // The score that a source's features are measured by, at least 0: the best of all probes, which all may be shown.
  double Highest(size_t source) {
    const auto row = raw_.begin() + static_cast<ptrdiff_t>(source * probes_.size());
    return std::max(0.0, *std::max_element(row, row + static_cast<ptrdiff_t>(probes_.size())));
  }

 private:
  std::optional<size_t> Find(uint32_t row) const {
    const auto at = std::lower_bound(probes_.begin(), probes_.end(), row);
    if (at == probes_.end() || *at != row) return std::nullopt;
    return static_cast<size_t>(at - probes_.begin());
  }
  void Add(size_t history, StackSource source, size_t probe, double amount) {
    if (amount == 0 || !std::isfinite(amount)) return;
    by_history_[history].push_back({static_cast<size_t>(source), probe, amount});
  }
  // What leaves with the one item that it is of.
  void Own(StackSource source, const StackScratch::WeightedRows& own) {
    for (size_t probe = 0; probe < probes_.size(); ++probe) {
      const double score = WeightOf(own, probes_[probe]);
      Raw(static_cast<size_t>(source), probe) = score;
      const auto at = std::lower_bound(history_.begin(), history_.end(), probes_[probe]);
      if (at == history_.end() || *at != probes_[probe]) continue;
      Add(static_cast<size_t>(at - history_.begin()), source, probe, score);
    }
  }
  void Factors() {
    if (scratch_.factor.empty()) return;
    for (size_t probe = 0; probe < probes_.size(); ++probe) {
      const float* factor = model_.als.item_factors.data() + size_t{probes_[probe]} * scratch_.factor.size();
      double score = 0;
      for (size_t k = 0; k < scratch_.factor.size(); ++k) score += double{scratch_.factor[k]} * factor[k];
      Raw(static_cast<size_t>(StackSource::kFactors), probe) = score;
    }
    const StackScratch::WeightedRows& taste = scratch_.taste;
    const FoldInShares shares = ShareFoldIn(model_.als, taste.rows, taste.weights, probes_);
    for (size_t i = 0; i < taste.rows.size(); ++i) {
      const auto at = std::lower_bound(history_.begin(), history_.end(), taste.rows[i]);
      if (at == history_.end() || *at != taste.rows[i]) continue;
      const auto history = static_cast<size_t>(at - history_.begin());
      for (size_t probe = 0; probe < probes_.size(); ++probe) {
        Add(history, StackSource::kFactors, probe, shares.removal[probe * taste.rows.size() + i]);
      }
    }
  }
  // Summed in double, from all of the history and not only what is asked for: a sum that loses all its terms is 0.
  void Lists(StackSource source, const NeighbourLists& lists, const StackScratch::WeightedRows& heard) {
    if (lists.items != model_.rows()) return;
    std::vector<uint64_t> is_probe((model_.rows() + 63) / 64, 0);
    for (const uint32_t row : probes_) is_probe[row / 64] |= uint64_t{1} << (row % 64);
    size_t history = 0;
    for (size_t i = 0; i < heard.rows.size(); ++i) {
      while (history < history_.size() && history_[history] < heard.rows[i]) ++history;
      const bool asked = history < history_.size() && history_[history] == heard.rows[i];
      for (const Neighbour& neighbour : lists.Of(heard.rows[i])) {
        if ((is_probe[neighbour.item / 64] >> (neighbour.item % 64) & 1) == 0) continue;
        const size_t probe = *Find(neighbour.item);
        const double amount = double{heard.weights[i]} * neighbour.score;
        Raw(static_cast<size_t>(source), probe) += amount;
        if (asked) Add(history, source, probe, amount);
      }
    }
  }
  // A session is asked about anew without each of its items: those after it move up a place, other sessions come near.
  void Sessions() {
    if (scratch_.asked.empty() || model_.sessions.items != model_.rows()) return;
    const std::vector<double> scores = SessionScores(scratch_.asked);
    std::copy(scores.begin(), scores.end(), &Raw(static_cast<size_t>(StackSource::kSession), 0));
    std::vector<uint32_t> left;
    for (size_t place = 0; place < std::min(scratch_.asked.size(), SessionOptions().items_asked_max); ++place) {
      const auto at = std::lower_bound(history_.begin(), history_.end(), scratch_.asked[place]);
      if (at == history_.end() || *at != scratch_.asked[place]) continue;
      left = scratch_.asked;
      left.erase(left.begin() + static_cast<ptrdiff_t>(place));
      const std::vector<double> without = SessionScores(left);
      for (size_t probe = 0; probe < probes_.size(); ++probe) {
        Add(static_cast<size_t>(at - history_.begin()), StackSource::kSession, probe, scores[probe] - without[probe]);
      }
    }
  }
  std::vector<double> SessionScores(std::span<const uint32_t> newest_first) {
    TouchedSums& sums = scratch_.sums[kSumSession];
    sums.Clear(model_.rows());
    AddSessionScores(model_.sessions, newest_first, SessionOptions(), scratch_.session, sums.sums, sums.touched);
    std::vector<double> scores;
    for (const uint32_t row : probes_) scores.push_back(sums.sums[row]);
    return scores;
  }
  const ContentModel& model_;
  StackScratch& scratch_;
  const std::span<const uint32_t> history_;
  std::vector<uint32_t> probes_;               // ascending
  std::vector<std::vector<Term>> by_history_;  // of each item asked for
  std::vector<double> raw_;                    // (kStackSources, probes)
};

// theta . the two columns of a source, for a raw score and the highest.
double ValueOf(std::span<const double> theta, size_t source, double raw, double highest) {
  if (!(highest > 0) || !(raw > 0)) return 0;
  const double scaled = raw / highest;
  return theta[2 * source] * scaled + theta[2 * source + 1] * std::sqrt(scaled);
}

// What is left of a sum without a term: crumbs of the subtraction are nothing.
double Without(double sum, double term) {
  const double left = sum - term;
  return std::abs(left) <= 1e-9 * std::abs(sum) ? 0.0 : left;
}

// The drops of each item of the history, from the terms.
class Drops {
 public:
  Drops(const ContentModel& model, std::span<const double> theta, StackScratch& scratch,
        std::span<const uint32_t> targets, StackShares& shares)
      : model_(model),
        theta_(theta),
        scratch_(scratch),
        targets_(targets),
        shares_(shares),
        terms_(model, scratch, targets, shares.history),
        likeness_(model.attributes, scratch.taste.rows, scratch.taste.weights) {
    for (const uint32_t target : targets) probes_.push_back(terms_.ProbeOf(target));
    for (size_t source = 0; source < kStackSources; ++source) {
      const double highest = terms_.Highest(source);
      for (const size_t probe : probes_) full_.push_back(ValueOf(theta, source, terms_.Raw(source, probe), highest));
    }
  }

  void Take(size_t history) {
    // Sources in which the item has a part, with their raw scores without it.
    std::array<bool, kStackSources> heard{};
    for (const Term& term : terms_.Of(history)) {
      kept_.push_back({&terms_.Raw(term.source, term.probe), terms_.Raw(term.source, term.probe)});
      *kept_.back().first = Without(*kept_.back().first, term.amount);
      heard[term.source] = true;
    }
    for (size_t source = 0; source < kStackSources; ++source) {
      if (!heard[source]) continue;
      const double highest = terms_.Highest(source);
      for (size_t t = 0; t < targets_.size(); ++t) {
        const double left = ValueOf(theta_, source, terms_.Raw(source, probes_[t]), highest);
        Drop(t, history) += full_[source * targets_.size() + t] - left;
      }
    }
    for (; !kept_.empty(); kept_.pop_back()) *kept_.back().first = kept_.back().second;
    Marks(history);
  }

 private:
  double& Drop(size_t target, size_t history) { return shares_.drops[target * shares_.history.size() + history]; }
  void Marks(size_t history) {
    const uint32_t row = shares_.history[history];
    const auto at = std::find(targets_.begin(), targets_.end(), row);
    if (at != targets_.end()) {
      Drop(static_cast<size_t>(at - targets_.begin()), history) += theta_[MarkAt(StackMark::kHad)];
    }
    const float weight = WeightOf(scratch_.taste, row);
    if (model_.attributes.rows() == 0 || weight == 0) return;
    const auto add = [&](double sign) {
      for (size_t t = 0; t < targets_.size(); ++t) {
        const float price = model_.attributes.prices[targets_[t]];
        const uint64_t category = model_.attributes.categories[targets_[t]];
        Drop(t, history) += sign * (theta_[MarkAt(StackMark::kPrice)] * likeness_.Price(price) +
                                    theta_[MarkAt(StackMark::kCategory)] * likeness_.Category(category));
      }
    };
    add(1);
    likeness_.Remove(row, weight);
    add(-1);
    likeness_.Return(row, weight);
  }

  const ContentModel& model_;
  const std::span<const double> theta_;
  const StackScratch& scratch_;
  const std::span<const uint32_t> targets_;
  StackShares& shares_;
  Terms terms_;
  Likeness likeness_;
  std::vector<size_t> probes_;  // of the targets
  std::vector<double> full_;    // (kStackSources, targets): theta . features with the whole history
  std::vector<std::pair<double*, double>> kept_;
};

}  // namespace

bool IsBoard(StackSource source) {
  switch (source) {
    case StackSource::kPopular:
    case StackSource::kRecent14:
    case StackSource::kRecent7:
    case StackSource::kSeason:
    case StackSource::kTraits: return true;
    default: return false;
  }
}

StackShares ShareStack(const ContentModel& model, std::span<const double> theta, const StackQuestion& question,
                       std::span<const uint32_t> targets, StackScratch& scratch) {
  StackShares shares;
  StackQuestion asked = question;
  asked.newcomers = nullptr;
  shares.history = RowsToRemove(question.lines, question.now, kRemovalsMax, targets);
  shares.drops.assign(targets.size() * shares.history.size(), 0);
  shares.boards.assign(targets.size() * kStackSources, 0);
  scratch.also.assign(targets.begin(), targets.end());
  CollectCandidates(model, asked, scratch);
  scratch.also.clear();
  for (size_t t = 0; t < targets.size(); ++t) {
    const float* features = scratch.features.data() + PlaceOf(scratch, targets[t]) * kStackFeatures;
    for (size_t s = 0; s < kStackSources; ++s) {
      if (!IsBoard(static_cast<StackSource>(s))) continue;
      shares.boards[t * kStackSources + s] = theta[2 * s] * features[2 * s] + theta[2 * s + 1] * features[2 * s + 1];
    }
  }
  Drops drops(model, theta, scratch, targets, shares);
  for (size_t i = 0; i < shares.history.size(); ++i) drops.Take(i);
  return shares;
}

}  // namespace rapport
