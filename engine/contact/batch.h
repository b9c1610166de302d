// One plan for many customers, from the store: the same hard rules and the same response model as single decisions,
// under budgets and capacities that the customers share (allocator.h). Nothing is kept: the plan is the caller's to
// write. Contents are ranked by what the response model knows of them; channels at a place are left to single
// decisions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/store.h"
#include "engine/contact/allocator.h"
#include "engine/contact/response_set.h"

namespace rapport {

struct BatchRequest {
  std::vector<CustomerRef> customers;  // each once; those that link to one customer count once
  std::vector<std::string> items;      // external ids, at least one
  std::vector<std::string> channels;   // names; empty: all that are enabled and not at a place
  std::string purpose = "marketing";
  std::optional<Timestamp> from;  // the next whole hour from here on; absent: from now on
  BatchOptions options;
  Timestamp now;
};

// Owns what the plan points into.
struct BatchDecision {
  ContactSettings settings;
  std::shared_ptr<const ResponseSet> responses;
  std::unique_ptr<PlanCustomers> customers;
  BatchPlan plan;
  std::vector<std::string> unknown;  // customers that the store does not know: nothing is planned for them
};

// The limits are the settings' budgets and capacities. kInvalidArgument: an item that may not be said to everybody (not
// there, not on sale during the whole plan, for an audience only), an unknown channel, no customer.
Result<std::unique_ptr<BatchDecision>> DecideBatch(const Store& store, const ContactSettings& settings,
                                                   std::shared_ptr<const ResponseSet> responses,
                                                   const BatchRequest& request);

// Every user of the store, in the order of their ids.
Result<std::vector<CustomerRef>> AllUsers(const Store& store);

}  // namespace rapport
