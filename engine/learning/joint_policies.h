// Ways to choose content, hour and channel for a customer, and the money they share. Each policy offers, for every
// channel, the contact it would send there and what it believes that to be worth; AssignChannels then lets every policy
// spend the same budget by one price on its own estimates.
//
//   joint      for each channel the (content, hour) with the highest response, of a table over all arms
//   separate   from the same table: best content, best hour, channel's worth, each by its own average over the others
//   rates      the strong marginal rival: (k + m g l_u) / (n + m) for each content, hour and channel by itself; g
//   everybody's
//              rate (of a content: a logistic regression with the affinity; of an hour: smoothed over the day), l_u the
//              customer's level, counts of hours smoothed alike, each m chosen by leave-one-out log loss
//   Mautic     everybody's best content; hour: linear median of the hours of day of what the customer did, most
//   frequent
//              weekday (fewer than 5 deeds: everybody's best hour); channels by everybody's rate
//   engaged    everybody's best content and hour; the channel that the customer answered most often
// Worth of a contact = margin x response - cost - lifetime value x unsubscribing, in money.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/learning/contact_evidence.h"
#include "models/logistic_regression.h"

namespace rapport {

struct ChannelOffer {
  ContactArm arm;
  double worth = 0;  // as the policy believes
};
using Offers = std::array<ChannelOffer, kContactChannels>;
using ChannelRates = std::array<double, kContactChannels>;

inline size_t ArmIndex(size_t content, size_t hour, size_t channel) {
  return (content * kHoursOfWeek + hour) * kContactChannels + channel;
}
// `responses` by ArmIndex, below 0 for what is not to be chosen; `leave`: P(unsubscribe) by channel.
Offers JointOffers(const SimulatedContactOptions& money, std::span<const double> responses, const ChannelRates& leave);
Offers SeparateOffers(const SimulatedContactOptions& money, std::span<const double> responses,
                      const ChannelRates& leave);

// Everybody's and each customer's rates. Immutable after Fit.
class ShrunkenRates {
 public:
  // kFailedPrecondition without trials.
  static Result<ShrunkenRates> Fit(const ContactWorld& world, std::span<const KnownCustomer> customers);
  Offers Separate(const SimulatedContactOptions& money, const KnownCustomer& customer) const;
  Offers Mautic(const SimulatedContactOptions& money, const KnownCustomer& customer) const;
  Offers MostEngaged(const SimulatedContactOptions& money, const KnownCustomer& customer) const;
  const ChannelRates& leave() const { return leave_; }

 private:
  // What one customer did along one axis: (smoothed) trials and answers by value of it.
  struct Counts {
    std::vector<double> trials, answers;
  };
  enum Axis : size_t { kContent, kHour, kChannel, kAxes };

  size_t ValueOf(Axis axis, const ResponseTrial& trial) const;
  size_t SizeOf(Axis axis) const;
  Counts CountsOf(Axis axis, const KnownCustomer& customer) const;
  double Everybody(Axis axis, const KnownCustomer& customer, size_t value) const;
  double LevelOf(double trials, double answers) const;
  void ChooseWeight(Axis axis, std::span<const KnownCustomer> customers);
  std::vector<double> Rates(Axis axis, const KnownCustomer& customer) const;
  size_t BestContent() const;
  size_t BestHour() const;

  LogisticModel content_;  // columns: contents, affinity
  size_t contents_ = 0;
  std::vector<double> hour_;
  ChannelRates channel_{}, leave_{};
  double overall_ = 0;
  std::array<double, kAxes> weight_{};  // m
};

// The channel of each customer (kContactChannels: none is allowed): each one's highest worth less the price of its
// cost, the price such that `budget` is kept, then upgrades in order of customers while money is left. REQUIRES a
// budget that the cheapest channels keep; `allowed` and `offers` by customer.
std::vector<size_t> AssignChannels(std::span<const Offers> offers,
                                   std::span<const std::array<bool, kContactChannels>> allowed,
                                   const std::array<double, kContactChannels>& cost, double budget);

// The customer's vector by Bayes (the mode), for somebody who knows the world's population parameters and what a shop
// knows of the customer: how far any learner can come. `taste_slope` and `taste_deviation`: of the true taste given
// t_u.
PersonVector ObservedVector(const ContactWorld& world, const SimulatedShop& shop, size_t customer,
                            const KnownCustomer& known, double taste_slope, double taste_deviation);

}  // namespace rapport
