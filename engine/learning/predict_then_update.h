// Judging answers to contacts on a log in date order whose conditions change (docs/JUDGING.md "Answers in date order"):
// blocks of contacts, each predicted by models refitted on all blocks before it, then shown to them.
//
//   rival      logistic regression on all rows so far, one-hot categories and scaled numbers, its ridge the one with
//   the
//              lowest loss on the blocks predicted so far; with numbers as they are, and with numbers also in bins
//   model      the response head's regression (models/block_logistic.h) as a committee: with and without bins and
//              pairs of categories as columns, at several memories (a row's weight halves every so many rows, or never)
//              and several ridges, pairs under four times the ridge; the mean of all logits, nothing chosen among them
//   log loss   nats per row;  AUC over all predicted rows, and the mean of the AUC within blocks
//   gain       paired bootstrap over rows, 95 %
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/metrics.h"

namespace rapport {

struct AnswerColumn {
  std::string name;
  bool numeric = false;
  std::vector<double> numbers;       // (rows), numeric: (value - centre) / unit
  std::vector<uint32_t> categories;  // (rows), of a category, or of a number's bin
  uint32_t category_count = 0;
  bool paired = false;  // takes part in the model's pairs
};

// In date order.
struct AnswerLog {
  std::vector<AnswerColumn> columns;
  std::vector<uint8_t> responded;  // (rows)
};

struct StreamOptions {
  size_t block = 1000;
  std::vector<double> ridges = {1, 3, 10, 30, 100, 300};   // of the rival
  std::vector<double> half_lives_rows = {4000, 12000, 0};  // of the model's members; 0: no decay
  std::vector<double> member_ridges = {10, 40, 160};
  int resamples = 1000;
  uint64_t seed = 1;
  int threads = 0;
};

struct StreamRow {
  std::string model, settings;
  double log_loss = 0, auc = 0, block_auc = 0;
  Interval loss_gain, auc_gain;  // of the model against this one
};
struct CalibrationBin {
  double predicted = 0, observed = 0;
  uint64_t rows = 0;
};
struct StreamReport {
  uint64_t rows = 0, predicted = 0;
  std::vector<StreamRow> models;            // the model last
  std::vector<CalibrationBin> calibration;  // of the model, tenths by prediction
  struct Block {
    double rate = 0, model_loss = 0, rival_loss = 0;
  };
  std::vector<Block> blocks;
};

// kInvalidArgument for columns that do not fit the rows; kFailedPrecondition for fewer than two blocks.
Result<StreamReport> EvaluateStream(const AnswerLog& log, const StreamOptions& options);
std::string FormatStream(const StreamReport& report);

// Area under the ROC curve, ties count half; 0.5 when all answers are the same. `weights`: copies of each row, or
// empty.
double AreaUnderCurve(const std::vector<double>& scores, const std::vector<uint8_t>& responded);

}  // namespace rapport
