// The document and the route table say the same, both ways.
#include <set>

#include "server/endpoints/openapi.h"
#include "tests/server/endpoints_fixture.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

std::string NameOf(Method method, const std::string& path) { return std::string(MethodName(method)) + " " + path; }

class OpenApiTest : public EndpointsTest {};

TEST_F(OpenApiTest, EveryRouteStandsInTheDocumentAndTheReverse) {
  ASSERT_TRUE(table_.Check().ok()) << table_.Check().ToString();
  std::set<std::string> in_table, in_document;
  for (const Route& route : table_.routes()) in_table.insert(NameOf(route.method, route.pattern));
  const Answered answered = Get("/openapi.json");
  ASSERT_EQ(answered.status, 200);
  for (const auto& [path, methods] : answered.json["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
      in_document.insert(upper + " " + path);
    }
  }
  EXPECT_EQ(in_table, in_document);
  EXPECT_GE(in_table.size(), 40u);
}

TEST_F(OpenApiTest, ScopesAreThoseOfTheTable) {
  for (const ApiOperation& operation : ApiOperations()) {
    bool found = false;
    for (const Route& route : table_.routes()) {
      if (route.method != operation.method || route.pattern != operation.path) continue;
      found = true;
      EXPECT_EQ(route.scope, operation.scope) << operation.path;
    }
    EXPECT_TRUE(found) << operation.path;
  }
}

// What is public, name by name: a route that slips in without a scope stops here.
TEST_F(OpenApiTest, PublicRoutesAreTheseOnly) {
  const std::set<std::string> expected{"GET /healthz", "GET /readyz", "GET /metrics", "GET /openapi.json"};
  std::set<std::string> found;
  for (const Route& route : table_.routes()) {
    if (!route.scope) found.insert(NameOf(route.method, route.pattern));
  }
  EXPECT_EQ(found, expected);
  // Event routes take a key in the body: without one they refuse, whatever the body is.
  for (const Route& route : table_.routes()) {
    if (route.key_place != KeyPlace::kHeadersOrBody) continue;
    Sent sent{"POST", route.pattern, R"({"userId":"7","event":"x","type":"track","batch":[]})"};
    sent.no_key = true;
    EXPECT_EQ(Ask(sent).status, 401) << route.pattern;
    sent.body = "not JSON";
    EXPECT_EQ(Ask(sent).status, 401) << route.pattern;
  }
}

void CollectReferences(const Json& value, std::set<std::string>* references) {
  if (value.is_object() && value.contains("$ref")) references->insert(value["$ref"].get<std::string>());
  if (!value.is_structured()) return;
  for (const Json& member : value) CollectReferences(member, references);
}

TEST_F(OpenApiTest, ReferencesResolveAndNothingIsUnused) {
  const Json document = Json::parse(OpenApiDocument());
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> references, ids;
  CollectReferences(document, &references);
  for (const std::string& reference : references) {
    ASSERT_TRUE(reference.starts_with("#")) << reference;
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
  for (const auto& [name, schema] : document["components"]["schemas"].items()) {
    EXPECT_TRUE(references.contains("#/components/schemas/" + name)) << name << " is used nowhere";
  }
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      EXPECT_TRUE(ids.insert(operation["operationId"].get<std::string>()).second) << operation["operationId"];
    }
  }
}

}  // namespace
}  // namespace rapport
