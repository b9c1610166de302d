// Old model files: the newest generations and the one in service stay, whatever comes; the others' files go and their
// records say so.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/temp_folder.h"
#include "engine/engine.h"

namespace rapport {
namespace {

constexpr Timestamp kNow{1'700'000'000'000};

ContentModel TinyModel() {
  ContentModel model;
  model.item_ids = {1, 2};
  model.trained_until = kNow;
  model.als.options.factors = 1;
  model.als.items = 2;
  model.als.item_factors = {1, 2};
  EXPECT_TRUE(CheckAndPrepare(model.als).ok());
  model.popularity.popular = model.popularity.trending = {1, 1};
  for (NeighbourLists* lists : {&model.similar, &model.bought_together}) {
    lists->items = 2;
    lists->offsets = {0, 0, 0};
  }
  return model;
}

class ModelFilesTest : public ::testing::Test {
 protected:
  void Open(size_t kept) {
    engine_.reset();
    if (!store_) store_ = Store::Open(folder_.path() + "/store", StoreOptions{}).Take();
    EngineOptions options;
    options.models_kept = kept;
    engine_ = Engine::Open(*store_, options).Take();
  }
  uint64_t Register(const std::string& file) {
    EXPECT_TRUE(WriteContentModel(TinyModel(), store_->models_folder() + "/" + file).ok());
    const auto generation = engine_->RegisterModel(file, "{}", kNow);
    EXPECT_TRUE(generation.ok()) << generation.status().ToString();
    return *generation;
  }
  bool Exists(const std::string& file) { return std::filesystem::exists(store_->models_folder() + "/" + file); }
  ModelState StateOf(uint64_t generation) { return store_->GetModel(generation)->state; }

  TempFolder folder_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(ModelFilesTest, TheNewestAndTheOneInServiceStay) {
  Open(2);
  EXPECT_EQ(Register("1.model"), 1u);
  ASSERT_TRUE(engine_->Activate(1).ok());
  for (const char* file : {"2.model", "3.model", "4.model", "5.model"}) Register(file);
  EXPECT_TRUE(Exists("1.model")) << "in service";
  EXPECT_FALSE(Exists("2.model"));
  EXPECT_FALSE(Exists("3.model"));
  EXPECT_TRUE(Exists("4.model") && Exists("5.model"));
  EXPECT_EQ(StateOf(1), ModelState::kActive);
  EXPECT_EQ(StateOf(2), ModelState::kRemoved);
  EXPECT_EQ(StateOf(4), ModelState::kCandidate);
  const Status gone = engine_->Activate(2);
  EXPECT_EQ(gone.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(gone.message().find("was removed"), std::string::npos);
  EXPECT_EQ(engine_->models()->generation, 1u) << "the one in service stays";
  ASSERT_TRUE(engine_->Activate(5).ok());
  ASSERT_TRUE(engine_->RemoveOldModels().ok());
  EXPECT_FALSE(Exists("1.model")) << "no longer in service";
  Open(2);
  EXPECT_EQ(engine_->models()->generation, 5u);
}

TEST_F(ModelFilesTest, ASharedFileStaysAsLongAsOneNeedsItAndZeroKeepsAll) {
  Open(0);
  for (int i = 0; i < 4; ++i) Register("same.model");
  Register("other.model");
  EXPECT_EQ(StateOf(1), ModelState::kCandidate) << "0: all are kept";
  Open(2);
  ASSERT_TRUE(engine_->RemoveOldModels().ok());
  EXPECT_EQ(StateOf(1), ModelState::kRemoved);
  EXPECT_TRUE(Exists("same.model")) << "generation 4 needs it";
  ASSERT_TRUE(engine_->Activate(4).ok());
}

TEST_F(ModelFilesTest, AFileThatIsGoneAlreadyIsNoError) {
  Open(1);
  Register("1.model");
  std::filesystem::remove(store_->models_folder() + "/1.model");
  Register("2.model");
  EXPECT_EQ(StateOf(1), ModelState::kRemoved);
}

}  // namespace
}  // namespace rapport
