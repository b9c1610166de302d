#include "stack_reference.h"

#include <algorithm>
#include <cmath>

namespace rapport::reference {
namespace {

struct WeightedRows {
  std::vector<uint32_t> rows;  // ascending, unique
  std::vector<float> weights;  // > 0
};

struct Scratch {
  WeightedRows history;
  std::vector<float> scores, factor;
  std::vector<uint64_t> had;
  FoldInScratch fold_in;
};

double Decay(Timestamp time, Timestamp now, double half_life_days) {
  const double age_days = static_cast<double>(std::max<int64_t>(0, now.ms - time.ms)) / kDayMs;
  return std::exp2(-age_days / half_life_days);
}

enum class Signal { kTaste, kOrders };

// Lines summed by row with decay, what stays positive. REQUIRES lines sorted by row.
void Sum(std::span<const SignalLine> lines, Signal signal, Timestamp now, double half_life_days, WeightedRows& out) {
  out.rows.clear();
  out.weights.clear();
  for (size_t i = 0; i < lines.size();) {
    const uint32_t row = lines[i].row;
    double sum = 0;
    for (; i < lines.size() && lines[i].row == row; ++i) {
      const double weight = signal == Signal::kOrders ? lines[i].order : lines[i].weight;
      sum += weight * Decay(lines[i].time, now, half_life_days);
    }
    if (sum <= 0 || !std::isfinite(sum)) continue;
    out.rows.push_back(row);
    out.weights.push_back(static_cast<float>(sum));
  }
}

// A long history costs as much as its largest part: what weighs least moves a sum of neighbours least.
constexpr size_t kNeighbourHistoryMax = 200;

void KeepLargest(size_t count, WeightedRows& history) {
  if (history.rows.size() <= count) return;
  std::vector<Scored> all;
  for (size_t i = 0; i < history.rows.size(); ++i) all.push_back({history.rows[i], history.weights[i]});
  std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(count), all.end(), Better);
  all.resize(count);
  std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) { return a.index < b.index; });
  history.rows.clear();
  history.weights.clear();
  for (const Scored& one : all) {
    history.rows.push_back(one.index);
    history.weights.push_back(one.score);
  }
}

// Scores of all sources, one after the other.
class SourceScores {
 public:
  SourceScores(const ContentModel& model, const StackQuestion& question, std::span<const SignalLine> lines,
               Scratch& scratch)
      : model_(model), question_(question), lines_(lines), now_(question.now), scratch_(scratch) {
    scratch_.scores.assign(kStackSources * model.rows(), 0.0f);
  }

  std::span<float> Of(StackSource source) {
    return std::span(scratch_.scores).subspan(static_cast<size_t>(source) * model_.rows(), model_.rows());
  }

  void Fill() {
    Copy(StackSource::kPopular, model_.popularity.popular);
    Copy(StackSource::kRecent14, model_.stack.recent14);
    Copy(StackSource::kRecent7, model_.stack.recent7);
    Own(StackSource::kOwn365, 365);
    Own(StackSource::kOwn90, 90);
    Factors();
    Neighbours(StackSource::kBaskets60, model_.bought_together, 60);
    Neighbours(StackSource::kCustomers60, model_.similar, 60);
    Neighbours(StackSource::kBaskets365, model_.bought_together, 365);
    Neighbours(StackSource::kShallow, model_.stack.shallow, 365);
    Copy(StackSource::kSeason, model_.stack.season);
    Repurchase();
    NewestSession();
    Neighbours(StackSource::kAttributes, model_.attributes.kin, 60);
    AddTraitScores(model_.traits, question_.traits, Of(StackSource::kTraits));
  }

 private:
  void Copy(StackSource source, const std::vector<float>& from) {
    if (from.size() == model_.rows()) std::copy(from.begin(), from.end(), Of(source).begin());
  }
  void Own(StackSource source, double half_life_days) {
    Sum(lines_, Signal::kOrders, now_, half_life_days, scratch_.history);
    const std::span<float> scores = Of(source);
    for (size_t i = 0; i < scratch_.history.rows.size(); ++i) {
      scores[scratch_.history.rows[i]] = scratch_.history.weights[i];
    }
  }
  void Factors() {
    Sum(lines_, Signal::kTaste, now_, model_.history_half_life_days, scratch_.history);
    if (scratch_.history.rows.empty()) return;
    scratch_.factor.resize(static_cast<size_t>(model_.als.options.factors));
    FoldIn(model_.als, scratch_.history.rows, scratch_.history.weights, scratch_.fold_in, scratch_.factor);
    ScoreAll(model_.als.item_factors, scratch_.factor, Of(StackSource::kFactors));
  }
  void Neighbours(StackSource source, const NeighbourLists& lists, double half_life_days) {
    if (lists.items != model_.rows()) return;
    Sum(lines_, Signal::kTaste, now_, half_life_days, scratch_.history);
    KeepLargest(kNeighbourHistoryMax, scratch_.history);
    AddNeighbourScores(lists, scratch_.history.rows, scratch_.history.weights, Of(source));
  }

  // Items ordered more often than they came back.
  void Repurchase() {
    if (model_.repurchase.terms.size() != model_.rows()) return;
    const std::span<float> scores = Of(StackSource::kRepurchase);
    std::vector<Timestamp> times;
    for (size_t i = 0; i < lines_.size();) {
      const uint32_t row = lines_[i].row;
      int kept = 0;
      times.clear();
      for (; i < lines_.size() && lines_[i].row == row; ++i) {
        kept += lines_[i].order;
        if (lines_[i].order > 0) times.push_back(lines_[i].time);
      }
      if (kept <= 0) continue;
      std::sort(times.begin(), times.end());
      scores[row] = static_cast<float>(RepurchaseChance(model_.repurchase.terms[row], times, now_));
    }
  }
  void NewestSession() {
    if (model_.sessions.items != model_.rows()) return;
    const SessionOptions options;
    std::vector<const SignalLine*> newest;
    for (const SignalLine& line : question_.lines) {
      if (line.weight > 0) newest.push_back(&line);
    }
    std::stable_sort(newest.begin(), newest.end(),
                     [](const SignalLine* a, const SignalLine* b) { return a->time < b->time; });
    std::vector<uint32_t> rows;
    SessionScratch session;
    for (auto line = newest.rbegin(); line != newest.rend() && rows.size() < options.items_asked_max; ++line) {
      if (std::find(rows.begin(), rows.end(), (*line)->row) == rows.end()) rows.push_back((*line)->row);
    }
    AddSessionScores(model_.sessions, rows, options, session, Of(StackSource::kSession));
  }

  const ContentModel& model_;
  const StackQuestion& question_;
  const std::span<const SignalLine> lines_;
  const Timestamp now_;
  Scratch& scratch_;
};

}  // namespace

namespace {

// How alike price and category of `row` are to the history.
std::pair<float, float> Likeness(const ContentModel& model, const WeightedRows& history, uint32_t row) {
  const AttributeModel& attributes = model.attributes;
  if (attributes.rows() == 0) return {0, 0};
  double logs = 0, priced = 0, total = 0, same = 0;
  for (size_t i = 0; i < history.rows.size(); ++i) {
    const float price = attributes.prices[history.rows[i]];
    const uint64_t category = attributes.categories[history.rows[i]];
    total += history.weights[i];
    if (category != 0 && category == attributes.categories[row]) same += history.weights[i];
    if (!(price > 0)) continue;
    logs += history.weights[i] * std::log(price);
    priced += history.weights[i];
  }
  const float price = attributes.prices[row];
  const double apart = priced > 0 && price > 0 ? (std::log(price) - logs / priced) / 0.7 : 0;
  return {priced > 0 && price > 0 ? static_cast<float>(std::exp(-0.5 * apart * apart)) : 0.0f,
          same > 0 ? static_cast<float>(same / total) : 0.0f};
}

}  // namespace

Collected CollectCandidates(const ContentModel& model, const StackQuestion& question, std::span<const uint32_t> also) {
  const auto& [lines, traits, now, allowed, newcomers, newcomers_allowed] = question;
  Scratch scratch;
  Collected out;
  std::vector<SignalLine> sorted(lines.begin(), lines.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const SignalLine& a, const SignalLine& b) { return a.row < b.row; });
  SourceScores sources(model, question, sorted, scratch);
  sources.Fill();

  std::array<float, kStackSources> highest{};
  out.candidates.assign(also.begin(), also.end());
  for (size_t s = 0; s < kStackSources; ++s) {
    for (const Scored& one : TopKPositive(sources.Of(static_cast<StackSource>(s)), kStackDepth, allowed.bits)) {
      highest[s] = std::max(highest[s], one.score);
      out.candidates.push_back(one.index);
    }
  }
  std::sort(out.candidates.begin(), out.candidates.end());
  out.candidates.erase(std::unique(out.candidates.begin(), out.candidates.end()), out.candidates.end());

  scratch.had.assign((model.rows() + 63) / 64, 0);
  for (const SignalLine& line : sorted) scratch.had[line.row / 64] |= uint64_t{1} << (line.row % 64);
  Sum(sorted, Signal::kTaste, now, model.history_half_life_days, scratch.history);
  out.features.clear();
  out.features.reserve(out.candidates.size() * kStackFeatures);
  for (const uint32_t row : out.candidates) {
    for (size_t s = 0; s < kStackSources; ++s) {
      const float score = scratch.scores[s * model.rows() + row];
      const float scaled = highest[s] > 0 && score > 0 && std::isfinite(score) ? score / highest[s] : 0.0f;
      out.features.push_back(scaled);
      out.features.push_back(std::sqrt(scaled));
    }
    out.features.push_back((scratch.had[row / 64] >> (row % 64) & 1) != 0 ? 1.0f : 0.0f);
    const auto [price, category] = Likeness(model, scratch.history, row);
    out.features.push_back(price);
    out.features.push_back(category);
    out.features.resize(out.features.size() + kNewcomerSlots, 0.0f);
  }
  out.scores = std::move(scratch.scores);
  return out;
}

}  // namespace rapport::reference
