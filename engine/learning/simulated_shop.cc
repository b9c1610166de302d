#include "engine/learning/simulated_shop.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/random.h"
#include "base/time_zone.h"

namespace rapport {
namespace {

// Streams forked from the seed: one per thing that is drawn, so that a change in one leaves the others as they were.
constexpr uint64_t kCategoryStream = 1;
constexpr uint64_t kItemStream = uint64_t{1} << 32;
constexpr uint64_t kCustomerStream = uint64_t{2} << 32;
constexpr uint64_t kEventStream = uint64_t{3} << 32;

struct CategoryWords {
  const char* category;
  const char* things[4];
  bool consumable;
};
constexpr CategoryWords kCategories[] = {
    {"tea", {"Green tea", "Black tea", "Herbal tea", "Tea sampler"}, true},
    {"teaware", {"Teapot", "Tea cup", "Tea tray", "Strainer"}, false},
    {"coffee", {"Coffee beans", "Ground coffee", "Espresso blend", "Cold brew"}, true},
    {"kitchen", {"Saucepan", "Chopping board", "Mixing bowl", "Colander"}, false},
    {"baking", {"Cake tin", "Rolling pin", "Pastry brush", "Cookie cutter"}, false},
    {"candles", {"Candle", "Tea light", "Lantern", "Candle holder"}, true},
    {"stationery", {"Notebook", "Fountain pen", "Letter set", "Diary"}, false},
    {"garden", {"Plant pot", "Trowel", "Watering can", "Bird feeder"}, false},
    {"seeds", {"Tomato seeds", "Wildflower mix", "Basil seeds", "Bulbs"}, true},
    {"toys", {"Wooden train", "Puzzle", "Plush bear", "Building blocks"}, false},
    {"games", {"Board game", "Card game", "Chess set", "Dice set"}, false},
    {"books", {"Cookbook", "Novel", "Atlas", "Field guide"}, false},
    {"bath", {"Soap", "Bath salts", "Shampoo bar", "Sponge"}, true},
    {"linen", {"Towel", "Blanket", "Cushion", "Table runner"}, false},
    {"lamps", {"Desk lamp", "Floor lamp", "Fairy lights", "Lampshade"}, false},
    {"bags", {"Tote bag", "Backpack", "Pouch", "Basket"}, false},
    {"jewellery", {"Necklace", "Earrings", "Bracelet", "Brooch"}, false},
    {"pets", {"Dog treats", "Cat toy", "Pet bowl", "Collar"}, true},
    {"sports", {"Yoga mat", "Skipping rope", "Bottle", "Resistance band"}, false},
    {"cards", {"Greeting card", "Gift wrap", "Ribbon", "Postcard set"}, true},
};
constexpr const char* kColours[] = {"Olive",  "Ivory", "Indigo", "Amber", "Coral",  "Slate",
                                    "Walnut", "Plain", "Ruby",   "Mint",  "Copper", "Sky"};
constexpr const char* kCountries[] = {"GB", "GB", "GB", "DE", "FR", "NL", "CN", "US"};

TasteVector RandomTaste(Random& random, double scale) {
  TasteVector taste;
  for (double& factor : taste) factor = scale * random.Normal();
  return taste;
}

double Dot(const TasteVector& a, const TasteVector& b) {
  double sum = 0;
  for (size_t k = 0; k < kTasteFactors; ++k) sum += a[k] * b[k];
  return sum;
}

// REQUIRES a positive sum.
size_t Draw(Random& random, const std::vector<double>& probabilities) {
  double left = random.Uniform();
  for (size_t i = 0; i + 1 < probabilities.size(); ++i) {
    if ((left -= probabilities[i]) < 0) return i;
  }
  size_t last = probabilities.size() - 1;  // rounding: the last one that can be drawn at all
  while (last > 0 && probabilities[last] == 0) --last;
  return last;
}

std::string Numbered(const char* prefix, size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%05zu", prefix, number + 1);
  return text;
}

SimulatedItem MakeItem(const SimulatedShop& shop, size_t index) {
  const SimulatedShopOptions& options = shop.options;
  Random random = Random(options.seed).Fork(kItemStream + index);
  SimulatedItem made;
  made.category = index % shop.categories.size();
  const CategoryWords& words = kCategories[made.category % std::size(kCategories)];
  made.consumable = words.consumable;
  // An item is two thirds its category and one third itself; |traits|^2 = 1 on average, so affinity ~ N(0, 1).
  const TasteVector own = RandomTaste(random, std::sqrt(1.0 / kTasteFactors));
  for (size_t k = 0; k < kTasteFactors; ++k) {
    made.traits[k] = std::sqrt(2.0 / 3) * shop.category_centres[made.category][k] + std::sqrt(1.0 / 3) * own[k];
  }
  made.appeal = std::exp(0.8 * random.Normal());

  Item& item = made.item;
  item.external_id = Numbered("item-", index);
  item.title = std::string(kColours[random.Below(std::size(kColours))]) + " " +
               words.things[random.Below(std::size(words.things))] + " " + std::to_string(index + 1);
  item.categories = {shop.categories[made.category]};
  const auto pence = static_cast<int64_t>(100 * std::exp(2.2 + 0.7 * random.Normal())) + 49;
  item.price = Decimal{pence, 2};
  item.margin = Decimal{pence * 2 / 5, 2};
  item.language = "en";
  item.attributes["consumable"] = made.consumable;
  item.updated_at = options.start;
  // Some shelves change: a tenth of the items arrive during the period, a few leave it, sell out or are for members.
  const double fate = random.Uniform();
  const int64_t length_ms = static_cast<int64_t>(options.days) * kDayMs;
  item.published_at = options.start;
  if (fate < 0.10) {
    item.published_at = Timestamp{options.start.ms + static_cast<int64_t>(random.Uniform() * length_ms)};
    item.tags.push_back("new");
  } else if (fate < 0.13) {
    item.expires_at = Timestamp{options.start.ms + static_cast<int64_t>(random.Uniform() * length_ms)};
  } else if (fate < 0.15) {
    item.stock = 0;
  } else if (fate < 0.17) {
    item.audience = {"members"};
  } else if (fate < 0.22 && index >= shop.categories.size()) {
    item.variant_of = Numbered("item-", index - shop.categories.size());  // its neighbour in the same category
  }
  if (!item.stock) item.stock = 5 + static_cast<int64_t>(random.Below(200));
  return made;
}

SimulatedCustomer MakeCustomer(const SimulatedShopOptions& options, size_t index) {
  Random random = Random(options.seed).Fork(kCustomerStream + index);
  SimulatedCustomer made;
  made.taste = RandomTaste(random, 1.0);
  made.rhythm = random.Below(4);
  made.hour_shift = std::floor(random.Uniform() * 5) - 2;
  made.sessions_per_day = std::min(3.0, 0.12 * std::exp(0.8 * random.Normal()));

  Profile& profile = made.profile;
  const bool anonymous = random.Uniform() < options.anonymous_share;
  profile.ref = {anonymous ? CustomerNamespace::kAnonymous : CustomerNamespace::kUser,
                 Numbered(anonymous ? "visitor-" : "customer-", index)};
  profile.time_zone = "Etc/UTC";
  profile.locale = "en-GB";
  profile.country = kCountries[random.Below(std::size(kCountries))];
  if (random.Uniform() < 0.2) profile.audiences = {"members"};
  profile.created_at = profile.updated_at = options.start;
  return made;
}

bool OnSale(const SimulatedItem& item, const SimulatedCustomer& customer, Timestamp now) {
  const Item& row = item.item;
  if (row.published_at && now < *row.published_at) return false;
  if (row.expires_at && now >= *row.expires_at) return false;
  if (row.stock && *row.stock <= 0) return false;
  if (row.audience.empty()) return true;
  const std::vector<std::string>& groups = customer.profile.audiences;
  return std::any_of(row.audience.begin(), row.audience.end(), [&](const std::string& wanted) {
    return std::find(groups.begin(), groups.end(), wanted) != groups.end();
  });
}

// One customer's days, session by session. One owner, one thread.
class Life {
 public:
  Life(const SimulatedShop& shop, size_t index)
      : shop_(shop),
        index_(index),
        customer_(shop.customers[index]),
        random_(Random(shop.options.seed).Fork(kEventStream + index)),
        categories_(TrueCategoryProbabilities(shop, customer_)),
        hours_(TrueHourProbabilities(customer_)),
        end_{shop.options.start.ms + static_cast<int64_t>(shop.options.days) * kDayMs} {}

  std::vector<AppendEvent> Run() {
    // Thinning: candidates at the rate of the busiest hour, each kept with the share of its own hour.
    const double busiest = *std::max_element(hours_.begin(), hours_.end());
    const double week_ms = 7.0 * kDayMs;
    const double gap_ms = week_ms / (customer_.sessions_per_day * 7 * busiest * kHoursOfWeek);
    const std::string& zone_name = customer_.profile.time_zone;
    const Result<TimeZone> zone = zone_name == "Etc/UTC" ? Status::NotFound("none needed") : TimeZone::Open(zone_name);
    const auto hour_of = [&](Timestamp now) { return zone.ok() ? HourOfWeek(zone->ToWall(now)) : HourOfWeek(now); };
    double now_ms = 0;
    while (true) {
      now_ms += random_.Exponential(gap_ms);
      const Timestamp now{shop_.options.start.ms + static_cast<int64_t>(now_ms)};
      if (now >= end_) break;
      if (random_.Uniform() * busiest < hours_[hour_of(now)]) Session(now);
    }
    std::stable_sort(events_.begin(), events_.end(),
                     [](const AppendEvent& a, const AppendEvent& b) { return a.event.time < b.event.time; });
    return std::move(events_);
  }

 private:
  void Session(Timestamp now) {
    std::vector<NewLine> cart;
    in_cart_.clear();
    if (!owned_consumables_.empty() && random_.Uniform() < shop_.options.rebuy_probability) {
      const size_t again = owned_consumables_[random_.Below(owned_consumables_.size())];
      if (OnSale(shop_.items[again], customer_, now)) {
        Emit(now, EventType::kViewed, "Product Viewed", {Line(again)});
        Add(Later(now), again, cart);
      }
    }
    const size_t category = Draw(random_, categories_);
    const std::vector<double> probabilities = TrueViewProbabilities(shop_, customer_, category, now);
    const bool any = std::any_of(probabilities.begin(), probabilities.end(), [](double p) { return p > 0; });
    const size_t views = any ? 1 + static_cast<size_t>(random_.Exponential(2.5)) : 0;
    for (size_t view = 0; view < std::min<size_t>(views, 30); ++view) {
      const size_t item = shop_.items_of_category[category][Draw(random_, probabilities)];
      Emit(Later(now), EventType::kViewed, "Product Viewed", {Line(item)});
      if (random_.Uniform() < TrueAddProbability(shop_.options, customer_, shop_.items[item]))
        Add(Later(now), item, cart);
    }
    if (!cart.empty() && random_.Uniform() < shop_.options.order_probability) Order(Later(now), cart);
  }

  void Add(Timestamp now, size_t item, std::vector<NewLine>& cart) {
    Emit(now, EventType::kAdded, "Product Added", {Line(item)});
    if (random_.Uniform() < 0.08) {
      Emit(Later(now), EventType::kRemoved, "Product Removed", {Line(item)});
      return;
    }
    NewLine line = Line(item);
    if (shop_.items[item].consumable) line.quantity = 1 + static_cast<int64_t>(random_.Below(3));
    cart.push_back(std::move(line));
    if (shop_.items[item].consumable) in_cart_.push_back(item);
  }

  void Order(Timestamp now, const std::vector<NewLine>& cart) {
    const std::string order_id = Numbered("order-", index_) + "-" + std::to_string(++orders_);
    Emit(now, EventType::kOrdered, "Order Completed", cart, order_id);
    owned_consumables_.insert(owned_consumables_.end(), in_cart_.begin(), in_cart_.end());
    in_cart_.clear();
    if (random_.Uniform() >= shop_.options.refund_probability) return;
    const Timestamp back{now.ms + kDayMs + static_cast<int64_t>(random_.Uniform() * 13 * kDayMs)};
    if (back < end_) Emit(back, EventType::kRefunded, "Order Refunded", cart, order_id);
  }

  NewLine Line(size_t item) const { return {shop_.items[item].item.external_id, 1, shop_.items[item].item.price}; }

  // The next moment inside the session: seconds to a few minutes on.
  Timestamp Later(Timestamp& now) {
    now.ms += 5 * kSecondMs + static_cast<int64_t>(random_.Exponential(40.0) * kSecondMs);
    return now;
  }

  void Emit(Timestamp time, EventType type, const char* name, std::vector<NewLine> lines, std::string order_id = "") {
    if (time >= end_) return;
    AppendEvent made;
    made.customer = customer_.profile.ref;
    made.event.type = type;
    made.event.time = made.event.received_at = time;
    made.event.name = name;
    made.event.source = "simulate";
    made.event.message_id = Numbered("m-", index_) + "-" + std::to_string(++messages_);
    made.event.order_id = std::move(order_id);
    made.event.channel = "web";
    made.lines = std::move(lines);
    events_.push_back(std::move(made));
  }

  const SimulatedShop& shop_;
  const size_t index_;
  const SimulatedCustomer& customer_;
  Random random_;
  const std::vector<double> categories_;
  const std::array<double, kHoursOfWeek> hours_;
  const Timestamp end_;
  std::vector<size_t> in_cart_;            // consumables waiting for an order
  std::vector<size_t> owned_consumables_;  // bought before, may be bought again
  size_t orders_ = 0, messages_ = 0;
  std::vector<AppendEvent> events_;
};

Status CheckSizes(const SimulatedShopOptions& options) {
  const auto within = [](const char* what, size_t value, size_t most) {
    if (value >= 1 && value <= most) return Status::Ok();
    return Status::InvalidArgument(std::string(what) + " must be between 1 and " + std::to_string(most) + ", not " +
                                   std::to_string(value));
  };
  RAPPORT_RETURN_IF_ERROR(within("customers", options.customers, 10'000'000));
  RAPPORT_RETURN_IF_ERROR(within("items", options.items, 1'000'000));
  RAPPORT_RETURN_IF_ERROR(within("days", options.days, 3660));
  return within("categories", options.categories, 10'000);
}

}  // namespace

Result<SimulatedShop> MakeSimulatedShop(const SimulatedShopOptions& options) {
  RAPPORT_RETURN_IF_ERROR(CheckSizes(options));
  SimulatedShop shop;
  shop.options = options;
  Random random = Random(options.seed).Fork(kCategoryStream);
  for (size_t c = 0; c < std::min(options.categories, options.items); ++c) {
    const size_t round = c / std::size(kCategories);
    shop.categories.push_back(kCategories[c % std::size(kCategories)].category +
                              (round == 0 ? std::string() : " " + std::to_string(round + 1)));
    shop.category_centres.push_back(RandomTaste(random, std::sqrt(1.0 / kTasteFactors)));
  }
  shop.items_of_category.resize(shop.categories.size());
  for (size_t i = 0; i < options.items; ++i) {
    shop.items.push_back(MakeItem(shop, i));
    shop.items_of_category[shop.items.back().category].push_back(i);
  }
  for (size_t u = 0; u < options.customers; ++u) shop.customers.push_back(MakeCustomer(options, u));
  return shop;
}

std::vector<AppendEvent> SimulateCustomer(const SimulatedShop& shop, size_t customer) {
  return Life(shop, customer).Run();
}

double TrueAffinity(const SimulatedCustomer& customer, const SimulatedItem& item) {
  return Dot(customer.taste, item.traits);
}

std::vector<double> TrueCategoryProbabilities(const SimulatedShop& shop, const SimulatedCustomer& customer) {
  std::vector<double> probabilities;
  double sum = 0;
  for (const TasteVector& centre : shop.category_centres) {
    probabilities.push_back(std::exp(shop.options.browse_focus * Dot(customer.taste, centre)));
    sum += probabilities.back();
  }
  for (double& probability : probabilities) probability /= sum;
  return probabilities;
}

std::vector<double> TrueViewProbabilities(const SimulatedShop& shop, const SimulatedCustomer& customer, size_t category,
                                          Timestamp now) {
  std::vector<double> probabilities;
  double sum = 0;
  for (size_t index : shop.items_of_category[category]) {
    const SimulatedItem& item = shop.items[index];
    const double weight = item.appeal * std::exp(shop.options.view_focus * TrueAffinity(customer, item));
    probabilities.push_back(OnSale(item, customer, now) ? weight : 0);
    sum += probabilities.back();
  }
  if (sum > 0) {
    for (double& probability : probabilities) probability /= sum;
  }
  return probabilities;
}

double TrueAddProbability(const SimulatedShopOptions& options, const SimulatedCustomer& customer,
                          const SimulatedItem& item) {
  return 1 / (1 + std::exp(-(options.add_intercept + options.add_focus * TrueAffinity(customer, item))));
}

std::array<double, kHoursOfWeek> TrueHourProbabilities(const SimulatedCustomer& customer) {
  // Early bird, lunch break, evening, weekend: the hour of the day where the rhythm peaks, and weekend's weight.
  constexpr double kPeakHour[] = {7, 12.5, 20.5, 15};
  constexpr double kWeekendWeight[] = {0.7, 0.4, 1.0, 4.0};
  const double peak = kPeakHour[customer.rhythm % 4] + customer.hour_shift;
  std::array<double, kHoursOfWeek> probabilities{};
  double sum = 0;
  for (size_t hour = 0; hour < kHoursOfWeek; ++hour) {
    const double angle = (static_cast<double>(hour % 24) + 0.5 - peak) * 6.283185307179586 / 24;
    const double weekend = hour >= 5 * 24 ? kWeekendWeight[customer.rhythm % 4] : 1.0;
    probabilities[hour] = weekend * (0.05 + std::exp(4 * (std::cos(angle) - 1)));
    sum += probabilities[hour];
  }
  for (double& probability : probabilities) probability /= sum;
  return probabilities;
}

}  // namespace rapport
