"""All rules, by name. `tests.deploy.test_broken_manifests` shows for each that it can fail."""

from collections.abc import Callable, Iterator, Mapping

from tests.deploy import custom_resources, rules_config, rules_life, rules_network, rules_pods, schemas
from tests.deploy.documents import Documents

Rule = Callable[[Documents], Iterator[str]]

RULES: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        schemas.manifests_follow_their_schemas,
        custom_resources.custom_resources_follow_their_definitions,
        rules_pods.pods_may_do_nothing_that_they_need_not,
        rules_pods.pods_have_no_token_of_the_cluster,
        rules_pods.probes_ask_three_questions_and_none_about_others,
        rules_pods.resources_are_said,
        rules_pods.pods_are_spread,
        rules_pods.pods_have_a_priority_that_exists,
        rules_pods.images_are_named_with_their_version,
        rules_network.nothing_goes_in_or_out_that_no_policy_names,
        rules_network.what_services_need_is_allowed_and_nothing_else,
        rules_network.names_lead_to_pods,
        rules_config.settings_exist_and_ports_are_where_they_say,
        rules_config.secrets_are_files_that_only_the_service_reads,
        rules_config.a_changed_setting_restarts_who_has_it,
        rules_config.pods_wait_for_their_schema_and_one_job_makes_it,
        rules_life.a_drain_ends_before_the_pod_is_killed,
        rules_life.disruptions_take_one_pod_at_a_time_and_never_none,
        rules_life.a_lost_node_is_given_up_soon,
        rules_life.a_rollout_takes_nothing_away_first,
        rules_life.what_grows_shrinks_slowly,
    )
}
