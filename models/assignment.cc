#include "models/assignment.h"

#include <lemon/network_simplex.h>
#include <lemon/smart_graph.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace rapport {
namespace {

using Graph = lemon::SmartDigraph;

constexpr double kValueMax = 1e12;
constexpr double kWholeMax = 1 << 30;  // the largest value in whole numbers
constexpr double kCostMax = 0x1p60;    // of any path: the simplex adds costs along one

Status Check(const AssignmentProblem& problem) {
  const size_t places = problem.capacity.size();
  if (problem.guests > 0 && places > kAssignmentPairsMax / problem.guests) {
    return Status::ResourceExhausted("at most " + std::to_string(kAssignmentPairsMax) +
                                     " pairs of guest and place: assign by day or by house");
  }
  const size_t pairs = problem.guests * places;
  if (problem.values.size() != pairs) return Status::InvalidArgument("one value is needed for each guest and place");
  if (!problem.forbidden.empty() && problem.forbidden.size() != pairs) {
    return Status::InvalidArgument("'forbidden' needs one mark for each guest and place, or none at all");
  }
  for (double value : problem.values) {
    if (!(value >= 0 && value <= kValueMax)) {
      return Status::InvalidArgument("a value is not between 0 and 1e12; a pair that must not be is forbidden");
    }
  }
  return Status::Ok();
}

}  // namespace

const char* AssignmentOutcomeName(AssignmentOutcome outcome) {
  switch (outcome) {
    case AssignmentOutcome::kAssigned: return "assigned";
    case AssignmentOutcome::kNothingAllowed: return "nothing-allowed";
    case AssignmentOutcome::kFull: return "full";
  }
  return "unknown";
}

Result<Assignment> Assign(const AssignmentProblem& problem) {
  RAPPORT_RETURN_IF_ERROR(Check(problem));
  const size_t places = problem.capacity.size(), guests = problem.guests;
  Assignment out;
  out.place.assign(guests, Assignment::kNoPlace);
  out.outcome.assign(guests, AssignmentOutcome::kNothingAllowed);
  if (guests == 0) return out;

  double largest = 0;
  for (double value : problem.values) largest = std::max(largest, value);
  // Value in whole numbers first, one more guest served second; or a guest first, who outweighs all value together.
  const auto many = static_cast<int64_t>(guests) + 1;
  const double whole =
      std::min(kWholeMax, kCostMax / static_cast<double>(many) / static_cast<double>(guests + places + 2));
  const double scale = largest > 0 ? whole / largest : 0;
  const int64_t served = problem.most_guests ? (static_cast<int64_t>(whole) + 1) * many : 1;
  Graph graph;
  graph.reserveNode(static_cast<int>(guests + places + 2));
  const Graph::Node source = graph.addNode(), sink = graph.addNode();
  std::vector<Graph::Node> place_nodes(places);
  for (Graph::Node& node : place_nodes) node = graph.addNode();
  Graph::ArcMap<int64_t> capacity(graph), cost(graph);
  const auto join = [&](Graph::Node from, Graph::Node to, int64_t most, int64_t of_one) {
    const Graph::Arc arc = graph.addArc(from, to);
    capacity[arc] = most;
    cost[arc] = of_one;
    return arc;
  };
  struct PairArc {
    Graph::Arc arc;
    uint32_t guest, place;
  };
  std::vector<PairArc> pairs;
  for (size_t p = 0; p < places; ++p) join(place_nodes[p], sink, problem.capacity[p], 0);
  for (size_t g = 0; g < guests; ++g) {
    const Graph::Node node = graph.addNode();
    join(source, node, 1, 0);
    join(node, sink, 1, 0);  // no place
    for (size_t p = 0; p < places; ++p) {
      const size_t pair = g * places + p;
      if (!problem.forbidden.empty() && problem.forbidden[pair] != 0) continue;
      out.outcome[g] = AssignmentOutcome::kFull;
      const int64_t value = std::llround(problem.values[pair] * scale);
      const int64_t worth = (problem.most_guests ? value : value * many) + served;
      pairs.push_back({join(node, place_nodes[p], 1, -worth), static_cast<uint32_t>(g), static_cast<uint32_t>(p)});
    }
  }
  lemon::NetworkSimplex<Graph, int64_t, int64_t> simplex(graph);
  simplex.upperMap(capacity).costMap(cost).stSupply(source, sink, static_cast<int64_t>(guests));
  if (simplex.run() != lemon::NetworkSimplex<Graph, int64_t, int64_t>::OPTIMAL) {
    return Status::Internal("the flow found no optimum, which cannot be: everybody may go without a place");
  }
  for (const PairArc& pair : pairs) {
    if (simplex.flow(pair.arc) == 0) continue;
    out.place[pair.guest] = pair.place;
    out.outcome[pair.guest] = AssignmentOutcome::kAssigned;
    out.value += problem.values[pair.guest * places + pair.place];
  }
  return out;
}

}  // namespace rapport
