#include "engine/learning/simulated_contacts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/random.h"

namespace rapport {

const char* const kContactKindNames[kContactKinds] = {"product", "service",   "article",
                                                      "lesson",  "promotion", "message"};
const char* const kContactChannelNames[kContactChannels] = {"email", "sms", "push", "message"};
const char* const kOccupationNames[kOccupations] = {"office", "shifts", "student", "home"};

namespace {

// Streams forked from the seed, after those of simulated_shop.cc.
constexpr uint64_t kWorldStream = uint64_t{4} << 32;
constexpr uint64_t kContentStream = uint64_t{5} << 32;
constexpr uint64_t kPersonStream = uint64_t{6} << 32;

// The world's fixed numbers: see the head of simulated_contacts.h.
constexpr double kLevel = -2.0, kScale = 1.3, kPersonLevelDeviation = 0.5;
constexpr double kContentShare = 0.4, kHourShare = 0.3, kChannelShare = 0.3, kOwnShare = 0.5;
constexpr double kOwnInteractionShare = 1.0 / 3, kRhythmShare = 0.8, kOccupationShare = 0.3;
constexpr double kFatigue = 0.1, kFatigueDeviation = 0.5;
constexpr double kLeaveLevel = -6.2, kLeaveDeviation = 0.5, kLeaveRecent = 0.15;
constexpr double kLifeEventsPerYear = 0.2;
constexpr size_t kWindowFrom = 7, kWindowUntil = 22;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double SeparateWeight(const ContactWorld& world) { return kScale * std::sqrt(1 - world.options.dial); }
double InteractionWeight(const ContactWorld& world) { return kScale * std::sqrt(world.options.dial); }

// ---- hours --------------------------------------------------------------------------------------------------------

template <typename Function>
double WindowMean(const Function& value) {
  double sum = 0, count = 0;
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    if (InSendingWindow(hour)) sum += value(hour), ++count;
  }
  return sum / count;
}

// Two harmonics of the day and the weekend, made orthogonal to 1 and to each other over the window, mean square 1.
void FillHourFunctions(ContactWorld* world) {
  auto& functions = world->hour_functions;
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    const double angle = (static_cast<double>(hour % 24) + 0.5) * 6.283185307179586 / 24;
    functions[hour] = {std::cos(angle), std::sin(angle), std::cos(2 * angle), std::sin(2 * angle),
                       hour >= 5 * 24 ? 1.0 : 0.0};
  }
  for (size_t k = 0; k < kHourFunctions; ++k) {
    const double mean = WindowMean([&](size_t hour) { return functions[hour][k]; });
    for (auto& values : functions) values[k] -= mean;
    for (size_t before = 0; before < k; ++before) {
      const double along = WindowMean([&](size_t hour) { return functions[hour][k] * functions[hour][before]; });
      for (auto& values : functions) values[k] -= along * values[before];
    }
    const double size = std::sqrt(WindowMean([&](size_t hour) { return functions[hour][k] * functions[hour][k]; }));
    for (auto& values : functions) values[k] /= size;
  }
}

// The rhythm of the sessions as the hour functions see it: coefficients of log P(h | u).
std::array<double, kHourFunctions> ProjectedRhythm(const ContactWorld& world, const SimulatedCustomer& customer) {
  const std::array<double, kHoursOfWeek> probabilities = TrueHourProbabilities(customer);
  std::array<double, kHourFunctions> projected{};
  for (size_t k = 0; k < kHourFunctions; ++k) {
    projected[k] =
        WindowMean([&](size_t hour) { return std::log(probabilities[hour]) * world.hour_functions[hour][k]; });
  }
  return projected;
}

// Over the four rhythms and five shifts that the shop draws from, equally often.
void FillRhythmMoments(ContactWorld* world) {
  constexpr double kCount = 20;
  std::array<double, kHourFunctions> square{};
  for (size_t one = 0; one < 20; ++one) {
    SimulatedCustomer customer;
    customer.rhythm = one % 4;
    customer.hour_shift = static_cast<double>(one / 4) - 2;
    const auto projected = ProjectedRhythm(*world, customer);
    for (size_t k = 0; k < kHourFunctions; ++k) {
      world->rhythm_mean[k] += projected[k] / kCount;
      square[k] += projected[k] * projected[k] / kCount;
    }
  }
  for (size_t k = 0; k < kHourFunctions; ++k) {
    const double variance = square[k] - world->rhythm_mean[k] * world->rhythm_mean[k];
    world->rhythm_deviation[k] = std::sqrt(std::max(variance, 1e-12));
  }
}

// ---- tables -------------------------------------------------------------------------------------------------------

// Mean 0 and variance 1 over the values. REQUIRES two different ones.
template <typename Values>
void Standardise(Values& values) {
  const double count = static_cast<double>(values.size());
  double mean = 0, square = 0;
  for (double value : values) mean += value / count;
  for (double value : values) square += (value - mean) * (value - mean) / count;
  for (double& value : values) value = (value - mean) / std::sqrt(square);
}

std::array<double, kPartsOfWeek> PartWeights() {
  std::array<double, kPartsOfWeek> weights{};
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    if (InSendingWindow(hour)) ++weights[PartOfWeek(hour)];
  }
  double sum = 0;
  for (double weight : weights) sum += weight;
  for (double& weight : weights) weight /= sum;
  return weights;
}

// A table over kind x part x channel that depends on the named axes only, centred over each of them, variance 1 over
// kinds, hours and channels that are equally likely.
InteractionTable DrawPure(Random random, bool kinds, bool parts, bool channels) {
  const std::array<double, kPartsOfWeek> part_weights = PartWeights();
  const std::array<size_t, 3> sizes{kContactKinds, kPartsOfWeek, kContactChannels};
  const std::array<bool, 3> free{kinds, parts, channels};
  InteractionTable table{};
  const auto cell = [](const std::array<size_t, 3>& at) { return InteractionCell(at[0], at[1], at[2]); };
  std::array<size_t, 3> at{};
  const auto each = [&](const auto& body) {
    for (at[0] = 0; at[0] < sizes[0]; ++at[0])
      for (at[1] = 0; at[1] < sizes[1]; ++at[1])
        for (at[2] = 0; at[2] < sizes[2]; ++at[2]) body();
  };
  each([&] { table[cell(at)] = random.Normal(); });
  each([&] {  // the same value along what it does not depend on
    std::array<size_t, 3> first = at;
    for (size_t axis = 0; axis < 3; ++axis) first[axis] = free[axis] ? at[axis] : 0;
    table[cell(at)] = table[cell(first)];
  });
  for (size_t axis = 0; axis < 3; ++axis) {
    if (!free[axis]) continue;
    const InteractionTable before = table;
    each([&] {
      double mean = 0;
      std::array<size_t, 3> along = at;
      for (along[axis] = 0; along[axis] < sizes[axis]; ++along[axis]) {
        mean += before[cell(along)] * (axis == 1 ? part_weights[along[1]] : 1.0 / static_cast<double>(sizes[axis]));
      }
      table[cell(at)] = before[cell(at)] - mean;
    });
  }
  double square = 0;
  each([&] { square += table[cell(at)] * table[cell(at)] * part_weights[at[1]] / (kContactKinds * kContactChannels); });
  for (double& value : table) value /= std::sqrt(square);
  return table;
}

// Pairs and the triple, a quarter of the variance each.
InteractionTable DrawInteraction(const Random& random) {
  const InteractionTable pieces[] = {
      DrawPure(random.Fork(1), true, true, false), DrawPure(random.Fork(2), true, false, true),
      DrawPure(random.Fork(3), false, true, true), DrawPure(random.Fork(4), true, true, true)};
  InteractionTable sum{};
  for (const InteractionTable& piece : pieces) {
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += 0.5 * piece[k];
  }
  return sum;
}

void FillTables(ContactWorld* world) {
  const Random root = Random(world->seed).Fork(kWorldStream);
  FillHourFunctions(world);
  FillRhythmMoments(world);
  Random random = root.Fork(1);
  std::array<double, kHourFunctions> curve{};
  double square = 0;
  for (double& value : curve) value = random.Normal(), square += value * value;
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    for (size_t k = 0; k < kHourFunctions; ++k) {
      world->hour_curve[hour] += curve[k] / std::sqrt(square) * world->hour_functions[hour][k];
    }
  }
  for (double& level : world->channel_level) level = random.Normal();
  Standardise(world->channel_level);
  for (double& leave : world->channel_leave) leave = 0.3 * random.Normal();
  world->population = DrawInteraction(root.Fork(2));
  for (size_t f = 0; f < kSituationFactors; ++f) world->situations[f] = DrawInteraction(root.Fork(3 + f));
  for (auto& means : world->occupation_channels) {
    for (double& mean : means) mean = std::sqrt(kOccupationShare) * random.Normal();
  }
  for (auto& means : world->occupation_situation) {
    for (double& mean : means) mean = std::sqrt(kOccupationShare) * random.Normal();
  }
}

// ---- contents and customers ---------------------------------------------------------------------------------------

std::string Numbered(const char* prefix, size_t number) {
  const std::string digits = std::to_string(number + 1);
  return prefix + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

void FillContents(ContactWorld* world) {
  std::vector<double> appeals;
  for (size_t i = 0; i < world->options.contents; ++i) {
    Random random = Random(world->seed).Fork(kContentStream + i);
    SimulatedContent content;
    content.kind = i % kContactKinds;
    for (double& trait : content.item.traits) trait = std::sqrt(1.0 / kTasteFactors) * random.Normal();
    appeals.push_back(random.Normal());
    Item& item = content.item.item;
    item.external_id = Numbered("content-", i);
    item.kind = kContactKindNames[content.kind];
    item.title = std::string("A ") + item.kind + " to send, number " + std::to_string(i + 1);
    item.categories = {"contacts"};
    item.language = "en";
    item.published_at = item.updated_at = world->start;
    world->contents.push_back(std::move(content));
  }
  if (appeals.size() == 1) appeals = {0};
  if (appeals.size() > 1) Standardise(appeals);
  for (size_t i = 0; i < appeals.size(); ++i) world->contents[i].appeal = appeals[i];
}

const char* ZoneOf(const std::string& country) {
  if (country == "GB") return "Europe/London";
  if (country == "DE") return "Europe/Berlin";
  if (country == "FR") return "Europe/Paris";
  if (country == "NL") return "Europe/Amsterdam";
  if (country == "CN") return "Asia/Shanghai";
  return "America/New_York";
}

ContactPerson MakePerson(const ContactWorld& world, const SimulatedCustomer& customer, size_t index) {
  Random random = Random(world.seed).Fork(kPersonStream + index);
  ContactPerson person;
  person.occupation = random.Below(kOccupations);
  person.fatigue = kFatigue * std::exp(kFatigueDeviation * random.Normal());
  person.irritability = kLeaveDeviation * random.Normal();
  PersonVector mean, deviation;
  PersonPrior(world, customer, person.occupation, &mean, &deviation);
  for (size_t k = 0; k < kPersonFactors; ++k) person.before[k] = mean[k] + deviation[k] * random.Normal();
  for (size_t k = 0; k < kTasteFactors; ++k) person.before[kTasteAt + k] = customer.taste[k];
  person.after = person.before;
  const double event_ms = random.Exponential(365.0 / kLifeEventsPerYear) * kDayMs;
  if (event_ms >= static_cast<double>(world.end.ms - world.start.ms)) return person;
  person.life_event = Timestamp{world.start.ms + static_cast<int64_t>(event_ms)};
  for (size_t k = kHoursAt; k < kPersonFactors; ++k) {
    person.after[k] = mean[k] + 0.5 * (person.before[k] - mean[k]) + std::sqrt(0.75) * deviation[k] * random.Normal();
  }
  return person;
}

Status CheckOptions(const SimulatedContactOptions& options, const SimulatedShopOptions& shop) {
  if (!(options.dial >= 0 && options.dial <= 1)) {
    return Status::InvalidArgument("the interaction dial must be between 0 and 1, not " + std::to_string(options.dial));
  }
  if (options.contents < 1 || options.contents > 1000) {
    return Status::InvalidArgument("contents must be between 1 and 1000, not " + std::to_string(options.contents));
  }
  if (options.contacts.empty()) return Status::InvalidArgument("contacts per customer: not one number is given");
  if (shop.days < 9) {
    return Status::InvalidArgument("contacts need a shop of 9 days or more, not " + std::to_string(shop.days));
  }
  const size_t most = *std::max_element(options.contacts.begin(), options.contacts.end());
  if (most > 100 * shop.days) {
    return Status::InvalidArgument("contacts per customer must be at most 100 a day, not " + std::to_string(most) +
                                   " in " + std::to_string(shop.days) + " days");
  }
  return Status::Ok();
}

}  // namespace

Result<ContactWorld> MakeContactWorld(const SimulatedContactOptions& options, SimulatedShop* shop) {
  RAPPORT_RETURN_IF_ERROR(CheckOptions(options, shop->options));
  ContactWorld world;
  world.options = options;
  world.seed = shop->options.seed;
  world.start = shop->options.start;
  world.end = Timestamp{world.start.ms + static_cast<int64_t>(shop->options.days) * kDayMs};
  FillTables(&world);
  FillContents(&world);
  for (size_t u = 0; u < shop->customers.size(); ++u) {
    SimulatedCustomer& customer = shop->customers[u];
    world.people.push_back(MakePerson(world, customer, u));
    customer.profile.time_zone = ZoneOf(customer.profile.country);
    customer.profile.traits["occupation"] = std::string(kOccupationNames[world.people.back().occupation]);
    // Addresses, so that the shop can be decided for: of a domain and a prefix that reach nobody (RFC 2606; +999).
    const std::string& name = customer.profile.ref.external_id;
    customer.profile.traits["email"] = name + "@shop.example";
    customer.profile.traits["phone"] = "+999 " + name;
    customer.profile.traits["pushToken"] = "push-" + name;
  }
  return world;
}

bool InSendingWindow(size_t hour_of_week) {
  return hour_of_week % 24 >= kWindowFrom && hour_of_week % 24 < kWindowUntil;
}

size_t PartOfWeek(size_t hour_of_week) {
  const size_t hour = hour_of_week % 24;
  const size_t span = hour < 10 ? 0 : hour < 14 ? 1 : hour < 18 ? 2 : 3;
  return (hour_of_week >= 5 * 24 ? 4 : 0) + span;
}

double PopulationLogit(const ContactWorld& world, const ContactArm& arm) {
  const SimulatedContent& content = world.contents[arm.content];
  const double separate = std::sqrt(kContentShare * (1 - kOwnShare)) * content.appeal +
                          std::sqrt(kHourShare * (1 - kOwnShare)) * world.hour_curve[arm.hour] +
                          std::sqrt(kChannelShare * (1 - kOwnShare)) * world.channel_level[arm.channel];
  const size_t cell = InteractionCell(content.kind, PartOfWeek(arm.hour), arm.channel);
  return kLevel + SeparateWeight(world) * separate +
         InteractionWeight(world) * std::sqrt(1 - kOwnInteractionShare) * world.population[cell];
}

PersonVector PersonFeatures(const ContactWorld& world, const ContactArm& arm) {
  const SimulatedContent& content = world.contents[arm.content];
  const double separate = SeparateWeight(world) * std::sqrt(kOwnShare);
  const size_t cell = InteractionCell(content.kind, PartOfWeek(arm.hour), arm.channel);
  PersonVector features{};
  features[0] = 1;
  for (size_t k = 0; k < kTasteFactors; ++k) {
    features[kTasteAt + k] = separate * std::sqrt(kContentShare) * content.item.traits[k];
  }
  for (size_t k = 0; k < kHourFunctions; ++k) {
    features[kHoursAt + k] = separate * std::sqrt(kHourShare) * world.hour_functions[arm.hour][k];
  }
  features[kChannelsAt + arm.channel] = separate * std::sqrt(kChannelShare);
  for (size_t f = 0; f < kSituationFactors; ++f) {
    features[kSituationAt + f] =
        InteractionWeight(world) * std::sqrt(kOwnInteractionShare / kSituationFactors) * world.situations[f][cell];
  }
  return features;
}

double TrueResponse(const ContactWorld& world, const ContactPerson& person, const ContactArm& arm, double recent_sends,
                    Timestamp time) {
  const PersonVector features = PersonFeatures(world, arm);
  const PersonVector& vector = person.At(time);
  double logit = PopulationLogit(world, arm) - person.fatigue * recent_sends;
  for (size_t k = 0; k < kPersonFactors; ++k) logit += vector[k] * features[k];
  return Sigmoid(logit);
}

double TrueUnsubscribe(const ContactWorld& world, const ContactPerson& person, size_t channel, double recent_sends) {
  return Sigmoid(kLeaveLevel + person.irritability + world.channel_leave[channel] + kLeaveRecent * recent_sends);
}

// Contents, hours and cells are summed apart: most arms share them.
std::vector<double> ArmLogits(const ContactWorld& world, const PersonVector& person, double fatigue_logit) {
  std::vector<double> logits(world.contents.size() * kHoursOfWeek * kContactChannels,
                             -std::numeric_limits<double>::infinity());
  const double separate = SeparateWeight(world), own = std::sqrt(kOwnShare), common = std::sqrt(1 - kOwnShare);
  std::array<double, kHoursOfWeek> hours{};
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    double mine = 0;
    for (size_t k = 0; k < kHourFunctions; ++k) mine += person[kHoursAt + k] * world.hour_functions[hour][k];
    hours[hour] = separate * std::sqrt(kHourShare) * (common * world.hour_curve[hour] + own * mine);
  }
  InteractionTable cells{};
  for (size_t cell = 0; cell < cells.size(); ++cell) {
    double mine = 0;
    for (size_t f = 0; f < kSituationFactors; ++f) mine += person[kSituationAt + f] * world.situations[f][cell];
    const double channel =
        common * world.channel_level[cell % kContactChannels] + own * person[kChannelsAt + cell % kContactChannels];
    cells[cell] = separate * std::sqrt(kChannelShare) * channel +
                  InteractionWeight(world) * (std::sqrt(1 - kOwnInteractionShare) * world.population[cell] +
                                              std::sqrt(kOwnInteractionShare / kSituationFactors) * mine);
  }
  for (size_t i = 0; i < world.contents.size(); ++i) {
    double mine = 0;
    for (size_t k = 0; k < kTasteFactors; ++k) mine += person[kTasteAt + k] * world.contents[i].item.traits[k];
    const double content = kLevel + person[0] - fatigue_logit +
                           separate * std::sqrt(kContentShare) * (common * world.contents[i].appeal + own * mine);
    for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
      if (!InSendingWindow(hour)) continue;
      const double* cell = &cells[InteractionCell(world.contents[i].kind, PartOfWeek(hour), 0)];
      double* to = &logits[(i * kHoursOfWeek + hour) * kContactChannels];
      for (size_t channel = 0; channel < kContactChannels; ++channel)
        to[channel] = content + hours[hour] + cell[channel];
    }
  }
  return logits;
}

void PersonPrior(const ContactWorld& world, const SimulatedCustomer& customer, size_t occupation, PersonVector* mean,
                 PersonVector* deviation) {
  mean->fill(0);
  deviation->fill(1);
  (*deviation)[0] = kPersonLevelDeviation;
  const std::array<double, kHourFunctions> rhythm = ProjectedRhythm(world, customer);
  for (size_t k = 0; k < kHourFunctions; ++k) {
    const double standard = (rhythm[k] - world.rhythm_mean[k]) / world.rhythm_deviation[k];
    (*mean)[kHoursAt + k] = kRhythmShare * standard / std::sqrt(double{kHourFunctions});
    (*deviation)[kHoursAt + k] = std::sqrt((1 - kRhythmShare * kRhythmShare) / kHourFunctions);
  }
  for (size_t c = 0; c < kContactChannels; ++c) {
    (*mean)[kChannelsAt + c] = world.occupation_channels[occupation][c];
    (*deviation)[kChannelsAt + c] = std::sqrt(1 - kOccupationShare);
  }
  for (size_t f = 0; f < kSituationFactors; ++f) {
    (*mean)[kSituationAt + f] = world.occupation_situation[occupation][f];
    (*deviation)[kSituationAt + f] = std::sqrt(1 - kOccupationShare);
  }
}

}  // namespace rapport
