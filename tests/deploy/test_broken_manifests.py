"""Each rule finds what it is for: manifests that are right, broken in one place, are refused by that rule."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.deploy.documents import Documents, Manifest, main_of, name_of, pod_of
from tests.deploy.rendering import rendered
from tests.deploy.rules import RULES


class Break(NamedTuple):
    """One thing done to good manifests."""

    rule: str
    """Which must say so."""
    what: str
    how: Callable[[Documents], Documents | None]
    """Changes them, or returns others."""


BREAKS: list[Break] = []
_IN_COMPONENTS = {"custom_resources_follow_their_definitions"}


def breaks(rule: str) -> Callable[[Callable[[Documents], Documents | None]], None]:
    def note(how: Callable[[Documents], Documents | None]) -> None:
        BREAKS.append(Break(rule, how.__name__, how))

    return note


def gateway(documents: Documents) -> Manifest:
    return documents.get("Deployment", "gateway")


def policy(documents: Documents, name: str) -> Manifest:
    spec: Manifest = documents.get("NetworkPolicy", name)["spec"]
    return spec


def config(documents: Documents, service: str) -> dict[str, str]:
    [found] = [c for c in documents.of("ConfigMap") if name_of(c).rpartition("-")[0] == service]
    data: dict[str, str] = found["data"]
    return data


@breaks("manifests_follow_their_schemas")
def a_field_is_misspelt(documents: Documents) -> None:
    pod_of(gateway(documents))["terminationGracePeriodSecond"] = 60


@breaks("manifests_follow_their_schemas")
def a_number_is_text(documents: Documents) -> None:
    documents.get("HorizontalPodAutoscaler", "web")["spec"]["maxReplicas"] = "twenty"


@breaks("manifests_follow_their_schemas")
def a_version_was_removed(documents: Documents) -> None:
    documents.get("PodDisruptionBudget", "web")["apiVersion"] = "policy/v1beta1"


@breaks("custom_resources_follow_their_definitions")
def a_scaler_has_no_triggers(documents: Documents) -> None:
    del documents.get("ScaledObject", "gateway")["spec"]["triggers"]


@breaks("custom_resources_follow_their_definitions")
def a_route_leads_to_a_port_that_is_text(documents: Documents) -> None:
    documents.get("GRPCRoute", "gateway")["spec"]["rules"][0]["backendRefs"][0]["port"] = "grpc"


@breaks("custom_resources_follow_their_definitions")
def a_web_routes_timeout_is_no_duration(documents: Documents) -> None:
    documents.get("HTTPRoute", "web")["spec"]["rules"][0]["timeouts"]["request"] = "never"


@breaks("custom_resources_follow_their_definitions")
def a_gateway_speaks_to_nobody(documents: Documents) -> None:
    del documents.get("Gateway", "tertulia")["spec"]["listeners"]


@breaks("custom_resources_follow_their_definitions")
def a_monitor_watches_nothing(documents: Documents) -> None:
    del documents.get("ServiceMonitor", "tertulia")["spec"]["endpoints"]


@breaks("pods_may_do_nothing_that_they_need_not")
def a_pod_runs_as_root(documents: Documents) -> None:
    pod_of(gateway(documents))["securityContext"]["runAsUser"] = 0


@breaks("pods_may_do_nothing_that_they_need_not")
def seccomp_is_off(documents: Documents) -> None:
    del pod_of(gateway(documents))["securityContext"]["seccompProfile"]


@breaks("pods_may_do_nothing_that_they_need_not")
def the_root_file_system_is_writable(documents: Documents) -> None:
    main_of(gateway(documents))["securityContext"]["readOnlyRootFilesystem"] = False


@breaks("pods_may_do_nothing_that_they_need_not")
def what_runs_first_may_gain_privileges(documents: Documents) -> None:
    job = documents.get("Job", "migration")
    pod_of(job)["initContainers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


@breaks("pods_may_do_nothing_that_they_need_not")
def a_capability_is_kept(documents: Documents) -> None:
    main_of(gateway(documents))["securityContext"]["capabilities"] = {"drop": ["ALL"], "add": ["NET_ADMIN"]}


@breaks("pods_may_do_nothing_that_they_need_not")
def a_pod_is_on_its_nodes_network(documents: Documents) -> None:
    pod_of(documents.get("StatefulSet", "nats"))["hostNetwork"] = True


@breaks("pods_may_do_nothing_that_they_need_not")
def a_pod_reaches_into_its_node(documents: Documents) -> None:
    pod_of(gateway(documents))["volumes"].append({"name": "node", "hostPath": {"path": "/"}})


@breaks("pods_have_no_token_of_the_cluster")
def a_token_is_mounted(documents: Documents) -> None:
    del pod_of(gateway(documents))["automountServiceAccountToken"]


@breaks("pods_have_no_token_of_the_cluster")
def two_services_share_an_account(documents: Documents) -> None:
    pod_of(gateway(documents))["serviceAccountName"] = "web"


@breaks("probes_ask_three_questions_and_none_about_others")
def liveness_asks_whether_it_is_ready(documents: Documents) -> None:
    main_of(gateway(documents))["livenessProbe"]["grpc"]["service"] = "readiness"


@breaks("probes_ask_three_questions_and_none_about_others")
def the_web_door_is_ready_when_its_gateway_is(documents: Documents) -> None:
    probe = main_of(documents.get("Deployment", "web"))["readinessProbe"]
    del probe["grpc"]
    probe["httpGet"] = {"path": "/readyz", "port": "http"}


@breaks("probes_ask_three_questions_and_none_about_others")
def there_is_no_startup_probe(documents: Documents) -> None:
    del main_of(gateway(documents))["startupProbe"]


@breaks("probes_ask_three_questions_and_none_about_others")
def a_start_may_take_a_minute_only(documents: Documents) -> None:
    main_of(gateway(documents))["startupProbe"]["failureThreshold"] = 30


@breaks("resources_are_said")
def memory_has_no_limit(documents: Documents) -> None:
    del main_of(gateway(documents))["resources"]["limits"]


@breaks("resources_are_said")
def more_is_needed_than_allowed(documents: Documents) -> None:
    main_of(gateway(documents))["resources"]["requests"]["memory"] = "3Gi"


@breaks("resources_are_said")
def nobody_knows_what_cpu_it_needs(documents: Documents) -> None:
    del main_of(gateway(documents))["resources"]["requests"]["cpu"]


@breaks("resources_are_said")
def cpu_is_throttled(documents: Documents) -> None:
    main_of(gateway(documents))["resources"]["limits"]["cpu"] = "1"


@breaks("pods_are_spread")
def all_pods_may_be_in_one_zone(documents: Documents) -> None:
    del pod_of(gateway(documents))["topologySpreadConstraints"][0]


@breaks("pods_are_spread")
def services_are_counted_together(documents: Documents) -> None:
    del pod_of(gateway(documents))["topologySpreadConstraints"][1]["matchLabelKeys"]


@breaks("pods_are_spread")
def a_rollout_leaves_all_pods_on_one_node(documents: Documents) -> None:
    pod_of(gateway(documents))["topologySpreadConstraints"][1]["matchLabelKeys"].remove("pod-template-hash")


@breaks("pods_have_a_priority_that_exists")
def the_priority_class_is_not_applied(documents: Documents) -> Documents:
    return documents.without(*documents.of("PriorityClass"))


@breaks("images_are_named_with_their_version")
def an_image_is_the_latest(documents: Documents) -> None:
    main_of(documents.get("StatefulSet", "cassandra"))["image"] = "cassandra"


@breaks("images_are_named_with_their_version")
def one_service_is_of_another_version(documents: Documents) -> None:
    main_of(gateway(documents))["image"] = "tertulia:0.0.9"


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def nothing_denies(documents: Documents) -> Documents:
    return documents.without(documents.get("NetworkPolicy", "default-deny"))


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def only_what_comes_in_is_denied(documents: Documents) -> None:
    policy(documents, "default-deny")["policyTypes"] = ["Ingress"]


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def anybody_reaches_channel(documents: Documents) -> None:
    del policy(documents, "channel")["ingress"][0]["from"]


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def the_world_reaches_channel(documents: Documents) -> None:
    policy(documents, "channel")["ingress"][0]["from"] = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def the_world_reaches_a_gateways_metrics(documents: Documents) -> None:
    policy(documents, "gateway")["ingress"][0]["ports"] = [{"port": "metrics"}]


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def everything_in_the_namespace_reaches_channel(documents: Documents) -> None:
    policy(documents, "channel")["ingress"][0]["from"] = [{"podSelector": {}}]


@breaks("nothing_goes_in_or_out_that_no_policy_names")
def any_port_will_do(documents: Documents) -> None:
    del policy(documents, "channel")["ingress"][0]["ports"]


@breaks("what_services_need_is_allowed_and_nothing_else")
def the_web_door_reaches_channel(documents: Documents) -> None:
    web = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "web"}}}
    policy(documents, "channel")["ingress"][0]["from"].append(web)
    channel = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "channel"}}}
    policy(documents, "web")["egress"].append({"to": [channel], "ports": [{"port": 7422}]})


@breaks("what_services_need_is_allowed_and_nothing_else")
def presence_lets_no_gateway_in(documents: Documents) -> Documents:
    return documents.without(documents.get("NetworkPolicy", "presence"))


@breaks("what_services_need_is_allowed_and_nothing_else")
def the_gateway_may_not_go_to_presence(documents: Documents) -> None:
    del policy(documents, "gateway")["egress"][2]


@breaks("what_services_need_is_allowed_and_nothing_else")
def nobody_may_go_to_nats(documents: Documents) -> Documents:
    return documents.without(documents.get("NetworkPolicy", "to-nats"))


@breaks("names_lead_to_pods")
def a_gateway_is_sent_to_a_service_that_does_not_exist(documents: Documents) -> None:
    config(documents, "gateway")["TERTULIA_GATEWAY_CHANNEL"] = "dns:///channels:7422"


@breaks("names_lead_to_pods")
def a_gateway_is_sent_to_a_port_where_nobody_listens(documents: Documents) -> None:
    config(documents, "gateway")["TERTULIA_GATEWAY_CHANNEL"] = "dns:///channel:7421"


@breaks("names_lead_to_pods")
def the_web_door_would_stay_with_one_gateway(documents: Documents) -> None:
    config(documents, "web")["TERTULIA_WEB_GATEWAY"] = "dns:///gateway:7420"


@breaks("names_lead_to_pods")
def a_service_selects_nothing(documents: Documents) -> None:
    documents.get("Service", "channel")["spec"]["selector"] = {"app.kubernetes.io/name": "chanel"}


@breaks("names_lead_to_pods")
def a_service_leads_to_a_port_that_has_no_such_name(documents: Documents) -> None:
    documents.get("Service", "channel")["spec"]["ports"][0]["targetPort"] = "http"


@breaks("settings_exist_and_ports_are_where_they_say")
def a_setting_is_misspelt(documents: Documents) -> None:
    config(documents, "gateway")["TERTULIA_GATEWAY_DRAIN_SECOND"] = "15"


@breaks("settings_exist_and_ports_are_where_they_say")
def a_setting_has_a_wrong_value(documents: Documents) -> None:
    config(documents, "gateway")["TERTULIA_GATEWAY_QUEUE_BYTES"] = "1"


@breaks("settings_exist_and_ports_are_where_they_say")
def it_listens_for_itself_only(documents: Documents) -> None:
    config(documents, "gateway")["TERTULIA_GATEWAY_LISTEN"] = "127.0.0.1:7420"


@breaks("settings_exist_and_ports_are_where_they_say")
def nobody_answers_probes(documents: Documents) -> None:
    del config(documents, "gateway")["TERTULIA_GATEWAY_PROBES_LISTEN"]


@breaks("secrets_are_files_that_only_the_service_reads")
def a_password_is_in_a_config_map(documents: Documents) -> None:
    config(documents, "channel")["TERTULIA_CHANNEL_CASSANDRA_PASSWORD"] = "hunter2"  # noqa: S105 - that it is one is the point


@breaks("secrets_are_files_that_only_the_service_reads")
def a_password_is_in_an_address(documents: Documents) -> None:
    config(documents, "channel")["TERTULIA_CHANNEL_BUS_ADDRESS"] = "nats://tertulia:hunter2@nats:4222"


@breaks("secrets_are_files_that_only_the_service_reads")
def a_secret_is_in_the_environment(documents: Documents) -> None:
    secret = {"secretKeyRef": {"name": "channel", "key": "password"}}
    main_of(documents.get("Deployment", "channel"))["env"].append({"name": "PASSWORD", "valueFrom": secret})


@breaks("secrets_are_files_that_only_the_service_reads")
def everybody_in_the_pod_may_read_it(documents: Documents) -> None:
    [volume] = [v for v in pod_of(gateway(documents))["volumes"] if "secret" in v]
    del volume["secret"]["defaultMode"]


@breaks("secrets_are_files_that_only_the_service_reads")
def the_secrets_are_not_mounted(documents: Documents) -> None:
    mounts = main_of(gateway(documents))["volumeMounts"]
    mounts[:] = [mount for mount in mounts if mount["name"] != "secrets"]


@breaks("a_changed_setting_restarts_who_has_it")
def a_config_map_keeps_its_name(documents: Documents) -> None:
    [found] = [c for c in documents.of("ConfigMap") if name_of(c).startswith("gateway-")]
    found["metadata"]["name"] = "gateway"
    main_of(gateway(documents))["envFrom"][0]["configMapRef"]["name"] = "gateway"


@breaks("pods_wait_for_their_schema_and_one_job_makes_it")
def channel_does_not_wait(documents: Documents) -> None:
    del pod_of(documents.get("Deployment", "channel"))["initContainers"]


@breaks("pods_wait_for_their_schema_and_one_job_makes_it")
def every_pod_changes_the_schema(documents: Documents) -> None:
    pod_of(documents.get("Deployment", "channel"))["initContainers"][0]["args"].remove("--wait")


@breaks("pods_wait_for_their_schema_and_one_job_makes_it")
def both_schemas_are_changed_at_once(documents: Documents) -> None:
    pod = pod_of(documents.get("Job", "migration"))
    pod["containers"] = [*pod.pop("initContainers"), *pod["containers"]]


@breaks("pods_wait_for_their_schema_and_one_job_makes_it")
def nobody_makes_the_schema(documents: Documents) -> Documents:
    return documents.without(documents.get("Job", "migration"))


@breaks("a_drain_ends_before_the_pod_is_killed")
def the_grace_period_is_kubernetes_own(documents: Documents) -> None:
    del pod_of(gateway(documents))["terminationGracePeriodSeconds"]


@breaks("a_drain_ends_before_the_pod_is_killed")
def a_drain_was_made_longer(documents: Documents) -> None:
    config(documents, "message-store")["TERTULIA_MESSAGE_STORE_DRAIN_SECONDS"] = "45"


@breaks("a_drain_ends_before_the_pod_is_killed")
def it_is_stopped_while_others_still_find_it(documents: Documents) -> None:
    del main_of(gateway(documents))["lifecycle"]


@breaks("disruptions_take_one_pod_at_a_time_and_never_none")
def a_drained_node_would_wait_for_ever(documents: Documents) -> None:
    spec = documents.get("PodDisruptionBudget", "presence")["spec"]
    del spec["maxUnavailable"]
    spec["minAvailable"] = 1


@breaks("disruptions_take_one_pod_at_a_time_and_never_none")
def a_budget_is_for_nobody(documents: Documents) -> None:
    documents.get("PodDisruptionBudget", "web")["spec"]["selector"]["matchLabels"] = {"app": "web"}


@breaks("a_lost_node_is_given_up_soon")
def a_lost_node_is_waited_for_as_long_as_kubernetes_would(documents: Documents) -> None:
    del pod_of(gateway(documents))["tolerations"]


@breaks("a_lost_node_is_given_up_soon")
def a_lost_node_is_waited_for_without_end(documents: Documents) -> None:
    del pod_of(gateway(documents))["tolerations"][0]["tolerationSeconds"]


@breaks("a_lost_node_is_given_up_soon")
def a_service_has_fixed_places(documents: Documents) -> None:
    gateway(documents)["kind"] = "StatefulSet"


@breaks("a_rollout_takes_nothing_away_first")
def a_rollout_may_stop_a_pod_first(documents: Documents) -> None:
    del gateway(documents)["spec"]["strategy"]


@breaks("a_rollout_takes_nothing_away_first")
def there_are_two_of_presence_for_a_moment(documents: Documents) -> None:
    del documents.get("Deployment", "presence")["spec"]["strategy"]


@breaks("what_grows_shrinks_slowly")
def it_shrinks_as_fast_as_it_grows(documents: Documents) -> None:
    del documents.get("HorizontalPodAutoscaler", "gateway")["spec"]["behavior"]["scaleDown"]


@breaks("what_grows_shrinks_slowly")
def what_is_scaled_has_another_name(documents: Documents) -> None:
    documents.get("HorizontalPodAutoscaler", "gateway")["spec"]["scaleTargetRef"]["name"] = "gateways"


@breaks("what_grows_shrinks_slowly")
def each_apply_would_set_how_many_there_are(documents: Documents) -> None:
    gateway(documents)["spec"]["replicas"] = 2


@breaks("what_grows_shrinks_slowly")
def presence_would_be_several(documents: Documents) -> None:
    scaler = documents.get("HorizontalPodAutoscaler", "web")
    scaler["spec"]["scaleTargetRef"]["name"] = "presence"


@pytest.mark.parametrize("broken", BREAKS, ids=[f"{broken.what}-{broken.rule}" for broken in BREAKS])
def test_what_is_broken_is_refused_by_the_rule_for_it(broken: Break) -> None:
    components = () if broken.rule not in _IN_COMPONENTS else ("gateway-api", "keda", "service-monitor")
    documents = rendered("dev", components).copied()
    documents = broken.how(documents) or documents
    assert list(RULES[broken.rule](documents)), f"{broken.rule} lets it pass: {broken.what}"


def test_there_is_such_a_break_for_every_rule() -> None:
    assert {broken.rule for broken in BREAKS} == set(RULES)
