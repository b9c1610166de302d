#include "engine/learning/joint_policies.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rapport {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kWeights[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};  // of m
constexpr double kLevelPrior = 2;                                          // expected answers
constexpr double kLeavePrior = 1000;                                       // trials
constexpr size_t kDeedsForMautic = 5;

double Worth(const SimulatedContactOptions& money, double response, double leave, size_t channel) {
  return money.margin * response - money.send_cost[channel] - money.lifetime_value * leave;
}

size_t Top(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

// How much a trial at one hour says about another: close on the clock, and less across the weekend's border.
double HourSimilarity(size_t a, size_t b) {
  const int apart = std::abs(static_cast<int>(a % 24) - static_cast<int>(b % 24));
  const double hours = std::min(apart, 24 - apart);
  return std::exp(-hours * hours / (2 * 1.5 * 1.5)) * ((a >= 120) == (b >= 120) ? 1 : 0.3);
}

double LogLoss(double probability, bool answered) {
  const double p = std::clamp(probability, 1e-4, 1 - 1e-4);
  return -std::log(answered ? p : 1 - p);
}

}  // namespace

Offers JointOffers(const SimulatedContactOptions& money, std::span<const double> responses, const ChannelRates& leave) {
  std::array<size_t, kContactChannels> best{};
  for (size_t channel = 0; channel < kContactChannels; ++channel) best[channel] = channel;
  for (size_t arm = 0; arm < responses.size(); ++arm) {
    size_t& top = best[arm % kContactChannels];
    if (responses[arm] > responses[top]) top = arm;
  }
  Offers offers;
  for (size_t channel = 0; channel < kContactChannels; ++channel) {
    const size_t arm = best[channel] / kContactChannels;
    offers[channel].arm = {static_cast<uint16_t>(arm / kHoursOfWeek), static_cast<uint16_t>(arm % kHoursOfWeek),
                           static_cast<uint8_t>(channel)};
    offers[channel].worth = Worth(money, responses[best[channel]], leave[channel], channel);
  }
  return offers;
}

Offers SeparateOffers(const SimulatedContactOptions& money, std::span<const double> responses,
                      const ChannelRates& leave) {
  std::vector<double> content(responses.size() / kHoursOfWeek / kContactChannels), hour(kHoursOfWeek, kNever);
  ChannelRates channel{};
  double arms = 0;  // of one channel
  for (size_t i = 0; i < content.size(); ++i) {
    for (size_t h = 0; h < kHoursOfWeek; ++h) {
      if (responses[ArmIndex(i, h, 0)] < 0) continue;
      ++arms;
      if (hour[h] == kNever) hour[h] = 0;
      for (size_t c = 0; c < kContactChannels; ++c) {
        const double response = responses[ArmIndex(i, h, c)];
        content[i] += response, hour[h] += response, channel[c] += response;
      }
    }
  }
  Offers offers;
  for (size_t c = 0; c < kContactChannels; ++c) {
    offers[c].arm = {static_cast<uint16_t>(Top(content)), static_cast<uint16_t>(Top(hour)), static_cast<uint8_t>(c)};
    offers[c].worth = Worth(money, channel[c] / std::max(arms, 1.0), leave[c], c);
  }
  return offers;
}

// ---- rates --------------------------------------------------------------------------------------------------------

size_t ShrunkenRates::SizeOf(Axis axis) const {
  return axis == kContent ? contents_ : axis == kHour ? kHoursOfWeek : kContactChannels;
}

size_t ShrunkenRates::ValueOf(Axis axis, const ResponseTrial& trial) const {
  return axis == kContent ? trial.content : axis == kHour ? trial.hour : trial.channel;
}

ShrunkenRates::Counts ShrunkenRates::CountsOf(Axis axis, const KnownCustomer& customer) const {
  Counts counts{std::vector<double>(SizeOf(axis)), std::vector<double>(SizeOf(axis))};
  for (const ResponseTrial& trial : customer.trials) {
    const size_t at = ValueOf(axis, trial);
    const double answer = trial.responded ? 1 : 0;
    if (axis != kHour) {
      counts.trials[at] += 1, counts.answers[at] += answer;
      continue;
    }
    for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
      const double similar = HourSimilarity(hour, at);
      counts.trials[hour] += similar, counts.answers[hour] += similar * answer;
    }
  }
  return counts;
}

double ShrunkenRates::Everybody(Axis axis, const KnownCustomer& customer, size_t value) const {
  if (axis == kHour) return hour_[value];
  if (axis == kChannel) return channel_[value];
  return Sigmoid(content_.intercept + content_.weights[value] + content_.weights[contents_] * customer.affinity[value]);
}

double ShrunkenRates::LevelOf(double trials, double answers) const {
  return (answers + kLevelPrior) / (trials * overall_ + kLevelPrior);
}

Result<ShrunkenRates> ShrunkenRates::Fit(const ContactWorld& world, std::span<const KnownCustomer> customers) {
  ShrunkenRates made;
  made.contents_ = world.contents.size();
  std::vector<double> features, outcomes, hour_trials(kHoursOfWeek), hour_answers(kHoursOfWeek);
  ChannelRates trials{}, answers{}, left{};
  double all = 0, answered = 0, all_left = 0;
  for (const KnownCustomer& customer : customers) {
    for (const ResponseTrial& trial : customer.trials) {
      const double answer = trial.responded ? 1 : 0;
      const size_t row = features.size();
      features.resize(row + made.contents_ + 1);
      features[row + trial.content] = 1;
      features[row + made.contents_] = trial.affinity;
      outcomes.push_back(answer);
      hour_trials[trial.hour] += 1, hour_answers[trial.hour] += answer;
      trials[trial.channel] += 1, answers[trial.channel] += answer, left[trial.channel] += trial.unsubscribed;
      all += 1, answered += answer, all_left += trial.unsubscribed;
    }
  }
  if (all == 0) return Status::FailedPrecondition("rates need trials, and there is none: simulate contacts");
  made.overall_ = (answered + 1) / (all + 2);
  LogisticCases cases;
  cases.columns = made.contents_ + 1;
  cases.features = features;
  cases.outcomes = outcomes;
  const Result<LogisticFit> fit = FitLogistic(cases, {});
  if (!fit.ok()) return fit.status();
  made.content_ = fit->model;
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    double n = 20, k = 20 * made.overall_;
    for (size_t other = 0; other < kHoursOfWeek; ++other) {
      const double similar = HourSimilarity(hour, other);
      n += similar * hour_trials[other], k += similar * hour_answers[other];
    }
    made.hour_.push_back(InSendingWindow(hour) ? k / n : 0);
  }
  for (size_t c = 0; c < kContactChannels; ++c) {
    made.channel_[c] = (answers[c] + 20 * made.overall_) / (trials[c] + 20);
    made.leave_[c] = (left[c] + kLeavePrior * all_left / all) / (trials[c] + kLeavePrior);
  }
  for (const Axis axis : {kContent, kHour, kChannel}) made.ChooseWeight(axis, customers);
  return made;
}

// Every trial is predicted by what is left of its customer's counts without it.
void ShrunkenRates::ChooseWeight(Axis axis, std::span<const KnownCustomer> customers) {
  std::array<double, std::size(kWeights)> loss{};
  for (const KnownCustomer& customer : customers) {
    const Counts counts = CountsOf(axis, customer);
    double all = 0, answered = 0;
    for (const ResponseTrial& trial : customer.trials) all += 1, answered += trial.responded;
    for (const ResponseTrial& trial : customer.trials) {
      const size_t at = ValueOf(axis, trial);
      const double answer = trial.responded ? 1 : 0;
      const double prior = Everybody(axis, customer, at) * LevelOf(all - 1, answered - answer);
      for (size_t w = 0; w < loss.size(); ++w) {
        const double rate = (counts.answers[at] - answer + kWeights[w] * prior) / (counts.trials[at] - 1 + kWeights[w]);
        loss[w] += LogLoss(rate, trial.responded);
      }
    }
  }
  weight_[axis] = kWeights[std::min_element(loss.begin(), loss.end()) - loss.begin()];
}

std::vector<double> ShrunkenRates::Rates(Axis axis, const KnownCustomer& customer) const {
  const Counts counts = CountsOf(axis, customer);
  double answered = 0;
  for (const ResponseTrial& trial : customer.trials) answered += trial.responded;
  const double level = LevelOf(static_cast<double>(customer.trials.size()), answered);
  std::vector<double> rates;
  for (size_t value = 0; value < SizeOf(axis); ++value) {
    if (axis == kHour && !InSendingWindow(value)) {
      rates.push_back(kNever);
      continue;
    }
    const double prior = Everybody(axis, customer, value) * level;
    rates.push_back((counts.answers[value] + weight_[axis] * prior) / (counts.trials[value] + weight_[axis]));
  }
  return rates;
}

Offers ShrunkenRates::Separate(const SimulatedContactOptions& money, const KnownCustomer& customer) const {
  const auto content = static_cast<uint16_t>(Top(Rates(kContent, customer)));
  const auto hour = static_cast<uint16_t>(Top(Rates(kHour, customer)));
  const std::vector<double> channels = Rates(kChannel, customer);
  Offers offers;
  for (uint8_t c = 0; c < kContactChannels; ++c)
    offers[c] = {{content, hour, c}, Worth(money, channels[c], leave_[c], c)};
  return offers;
}

size_t ShrunkenRates::BestContent() const {
  return Top({content_.weights.begin(), content_.weights.begin() + static_cast<long>(contents_)});
}

size_t ShrunkenRates::BestHour() const { return Top(hour_); }

Offers ShrunkenRates::Mautic(const SimulatedContactOptions& money, const KnownCustomer& customer) const {
  std::vector<uint16_t> deeds = customer.activity_hours;
  for (const ResponseTrial& trial : customer.trials) {
    if (trial.responded) deeds.push_back(trial.hour);
  }
  size_t hour = BestHour();
  if (deeds.size() >= kDeedsForMautic) {
    std::array<size_t, 7> days{};
    std::vector<size_t> hours;
    for (const uint16_t deed : deeds) ++days[deed / 24], hours.push_back(deed % 24);
    std::nth_element(hours.begin(), hours.begin() + static_cast<long>(hours.size() / 2), hours.end());
    const size_t day = static_cast<size_t>(std::max_element(days.begin(), days.end()) - days.begin());
    hour = day * 24 + std::clamp<size_t>(hours[hours.size() / 2], 7, 21);
  }
  Offers offers;
  for (uint8_t c = 0; c < kContactChannels; ++c) {
    offers[c] = {{static_cast<uint16_t>(BestContent()), static_cast<uint16_t>(hour), c},
                 Worth(money, channel_[c], leave_[c], c)};
  }
  return offers;
}

Offers ShrunkenRates::MostEngaged(const SimulatedContactOptions& money, const KnownCustomer& customer) const {
  ChannelRates answered{};
  for (const ResponseTrial& trial : customer.trials) answered[trial.channel] += trial.responded;
  const double most = *std::max_element(answered.begin(), answered.end());
  Offers offers;
  for (uint8_t c = 0; c < kContactChannels; ++c) {
    // The favourite by count; everybody's rate between equals.
    const double share = most > 0 ? answered[c] / most : 0;
    offers[c] = {{static_cast<uint16_t>(BestContent()), static_cast<uint16_t>(BestHour()), c},
                 money.margin * (share + 0.1 * channel_[c])};
  }
  return offers;
}

// ---- the budget ---------------------------------------------------------------------------------------------------

std::vector<size_t> AssignChannels(std::span<const Offers> offers,
                                   std::span<const std::array<bool, kContactChannels>> allowed,
                                   const std::array<double, kContactChannels>& cost, double budget) {
  const auto choose = [&](double price) {
    std::vector<size_t> chosen;
    for (size_t u = 0; u < offers.size(); ++u) {
      size_t best = kContactChannels;
      for (size_t c = 0; c < kContactChannels; ++c) {
        if (!allowed[u][c]) continue;
        const auto net = [&](size_t channel) { return offers[u][channel].worth - price * cost[channel]; };
        if (best == kContactChannels || net(c) > net(best) || (net(c) == net(best) && cost[c] < cost[best])) best = c;
      }
      chosen.push_back(best);
    }
    return chosen;
  };
  const auto cost_of = [&](size_t channel) { return channel == kContactChannels ? 0 : cost[channel]; };
  const auto spent = [&](const std::vector<size_t>& chosen) {
    double sum = 0;
    for (const size_t channel : chosen) sum += cost_of(channel);
    return sum;
  };
  std::vector<size_t> dear = choose(0);
  if (spent(dear) <= budget) return dear;
  double low = 0, high = 1;
  while (high < 1e12 && spent(choose(high)) > budget) low = high, high *= 2;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (spent(choose(middle)) <= budget ? high : low) = middle;
  }
  dear = choose(low);
  std::vector<size_t> kept = choose(high);
  double left = budget - spent(kept);
  for (size_t u = 0; u < kept.size(); ++u) {
    const double more = cost_of(dear[u]) - cost_of(kept[u]);
    if (more <= 0 || more > left) continue;
    kept[u] = dear[u];
    left -= more;
  }
  return kept;
}

// Newton along one coordinate after the other: the objective is strictly convex.
PersonVector ObservedVector(const ContactWorld& world, const SimulatedShop& shop, size_t customer,
                            const KnownCustomer& known, double taste_slope, double taste_deviation) {
  const ContactPerson& person = world.people[customer];
  PersonVector mean, deviation;
  PersonPrior(world, shop.customers[customer], person.occupation, &mean, &deviation);
  for (size_t k = 0; k < kTasteFactors; ++k) {
    mean[kTasteAt + k] = taste_slope * known.taste[k];
    deviation[kTasteAt + k] = taste_deviation;
  }
  PersonVector vector = mean;
  std::vector<PersonVector> features;
  std::vector<double> logits;
  for (const ResponseTrial& trial : known.trials) {
    const ContactArm arm{static_cast<uint16_t>(trial.content), trial.hour, trial.channel};
    features.push_back(PersonFeatures(world, arm));
    logits.push_back(PopulationLogit(world, arm) - person.fatigue * static_cast<double>(trial.recent_sends));
    for (size_t k = 0; k < kPersonFactors; ++k) logits.back() += vector[k] * features.back()[k];
  }
  for (int sweep = 0; sweep < 30; ++sweep) {
    double moved = 0;
    for (size_t k = 0; k < kPersonFactors; ++k) {
      const double precision = 1 / (deviation[k] * deviation[k]);
      double gradient = -(vector[k] - mean[k]) * precision, curvature = precision;
      for (size_t t = 0; t < logits.size(); ++t) {
        if (features[t][k] == 0) continue;
        const double p = Sigmoid(logits[t]);
        gradient += ((known.trials[t].responded ? 1 : 0) - p) * features[t][k];
        curvature += p * (1 - p) * features[t][k] * features[t][k];
      }
      const double step = gradient / curvature;
      vector[k] += step;
      moved = std::max(moved, std::abs(step));
      for (size_t t = 0; t < logits.size(); ++t) logits[t] += step * features[t][k];
    }
    if (moved < 1e-4) break;
  }
  return vector;
}

}  // namespace rapport
