// One plan for many customers, from the store: the same hard rules and the same response model as single decisions,
// under budgets and capacities that the customers share (allocator.h). Nothing is kept here: the plan is the caller's
// to write (rapport decide --dry-run), or to keep (batch_keeper.h). Channels at a place are left to single decisions.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/store.h"
#include "engine/contact/allocator.h"
#include "engine/contact/response_set.h"
#include "engine/contact/variants.h"

namespace rapport {

struct BatchRequest {
  bool everybody = false;              // every user of the store; `customers` does not apply then
  std::vector<CustomerRef> customers;  // each once; those that link to one customer count once
  std::vector<std::string> items;      // external ids, at least one
  std::vector<std::string> channels;   // names; empty: all that are enabled and not at a place
  std::string purpose = "marketing";
  bool content_model = true;      // the content model in service has a say, where the response model heeds it
  std::optional<Timestamp> from;  // the next whole hour from here on; absent: from now on
  BatchOptions options;
  Timestamp now;
};

// Owns what the plan points into.
struct BatchDecision {
  std::shared_ptr<const ContactSettings> settings;
  std::shared_ptr<const ResponseSet> responses;
  std::vector<CustomerRef> refs;             // by customer of the plan: as the request named them
  std::vector<CustomerId> roots;             // likewise
  std::unique_ptr<PlanCustomers> customers;  // null: nobody is left to decide on
  BatchPlan plan;
  std::vector<std::vector<std::string>> audiences;  // by content: whom it is for; empty: everybody
  std::vector<Variant> variants;                    // by content
  std::vector<std::string> unknown;  // customers that the store does not know: nothing is planned for them
  uint64_t passed_over = 0;          // by BatchHooks::pass_over
};

// What a caller adds to a plan; each may be empty.
struct BatchHooks {
  // Customers who are not to be decided on. Called from one thread.
  std::function<Result<bool>(CustomerId root)> pass_over;
  // Takes from the limits what is used already.
  std::function<Status(const PlanFrame& frame, std::vector<BatchLimit>* limits)> take_off;
  // Every draw as it is made (plan_draw.h), by customers of `batch`.
  std::function<void(const BatchDecision& batch, const DrawRecord& record)> drawn;
  // What the content model says of one customer: `affinity`, -1 to 1, and contents that are not for this customer; by
  // content of the frame. From many threads. Empty: no affinity, and audiences decide alone.
  std::function<Status(CustomerId root, const PlanFrame& frame, std::span<float> affinity, std::span<uint8_t> refused)>
      contents;
  std::function<bool()> cancelled;  // asked for every customer that is read or planned for: kUnavailable then
};

// What DecideBatch would refuse before it reads a customer.
Status CheckBatchRequest(const Store& store, std::shared_ptr<const ContactSettings> settings,
                         std::shared_ptr<const ResponseSet> responses, const BatchRequest& request);

// The limits are the settings' budgets, capacities, agents' minutes and stock, less what the store knows to be planned
// in the channels' hours. An item with an audience is for its customers; of variants each customer gets one
// (variants.h). kInvalidArgument: an item that may not be said to anybody (not there, not on sale during the whole
// plan), an unknown channel, no customer.
Result<std::unique_ptr<BatchDecision>> DecideBatch(const Store& store, std::shared_ptr<const ContactSettings> settings,
                                                   std::shared_ptr<const ResponseSet> responses,
                                                   const BatchRequest& request, const BatchHooks& hooks = {});

// Every user of the store, in the order of their ids.
Result<std::vector<CustomerRef>> AllUsers(const Store& store);

}  // namespace rapport
