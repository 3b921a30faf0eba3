#include "pods/settled_reports.hpp"

#include <gtest/gtest.h>

namespace gyre {
namespace {

link::Report report_of(std::vector<std::string> pods, std::vector<std::string> strays = {}) {
  link::Report report;
  for (const auto& id : pods) {
    link::PodFacts facts;
    facts.pod = PodId(id);
    report.pods.push_back(facts);
  }
  report.stray_containers = std::move(strays);
  return report;
}

TEST(SettledReports, TheSameReportIsCoveredAndAnyOtherIsNot) {
  SettledReports settled;
  const HostId h("h");
  EXPECT_FALSE(settled.covers(h, report_of({"a"}), 0s));
  settled.remember(h, report_of({"a"}, {"x"}), 0s);
  auto later = report_of({"a"}, {"x"});
  later.sequence = 9;
  later.disk_free_bytes = 7;  // nothing that pods/ decides by
  EXPECT_TRUE(settled.covers(h, later, 5s));
  EXPECT_FALSE(settled.covers(HostId("other"), later, 5s));
  EXPECT_FALSE(settled.covers(h, report_of({"a"}), 5s)) << "a stray is gone";
  EXPECT_FALSE(settled.covers(h, report_of({"a", "b"}, {"x"}), 5s));
  later.pods[0].generation = 1;
  EXPECT_FALSE(settled.covers(h, later, 5s));
}

TEST(SettledReports, AChangedRowIsNewsForWhoeverSpeaksOfThePod) {
  SettledReports settled;
  const HostId old_home("old"), new_home("new"), bystander("bystander");
  settled.remember(old_home, report_of({"a"}), 0s);
  settled.remember(new_home, report_of({"b"}), 0s);
  settled.remember(bystander, report_of({"c"}), 0s);
  settled.pod_changes(PodId("a"), new_home);  // the pod leaves its host
  EXPECT_FALSE(settled.covers(old_home, report_of({"a"}), 1s)) << "it must be told to keep nothing of the pod";
  EXPECT_FALSE(settled.covers(new_home, report_of({"b"}), 1s)) << "it does not know of the pod yet";
  EXPECT_TRUE(settled.covers(bystander, report_of({"c"}), 1s));
  EXPECT_EQ(settled.size(), 1u);
}

TEST(SettledReports, EachMinuteEverythingIsLookedAtAgain) {
  SettledReports settled;
  const HostId h("h");
  settled.remember(h, report_of({"a"}), 10s);
  EXPECT_TRUE(settled.covers(h, report_of({"a"}), 69s));
  EXPECT_FALSE(settled.covers(h, report_of({"a"}), 70s));
}

TEST(SettledReports, AHostThatSaysSomethingElseIsKnownByThatOnly) {
  SettledReports settled;
  const HostId h("h");
  settled.remember(h, report_of({"a"}), 0s);
  settled.remember(h, report_of({"b"}), 1s);
  settled.pod_changes(PodId("a"), std::nullopt);
  EXPECT_TRUE(settled.covers(h, report_of({"b"}), 2s));
  settled.pod_changes(PodId("b"), std::nullopt);
  EXPECT_FALSE(settled.covers(h, report_of({"b"}), 2s));
  EXPECT_EQ(settled.size(), 0u);
}

}  // namespace
}  // namespace gyre
