// Reads a JSON list of custom resources; writes a JSON list of what their own operators' definitions have against each, as text.
import { GRPCRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/GRPCRoute";
import { Gateway } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway";
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { readFileSync } from "node:fs";

const kinds = { GRPCRoute, Gateway, HTTPRoute, ScaledObject, ServiceMonitor };

function fault(resource) {
	const Kind = kinds[resource.kind];
	if (!Kind) return `there is no definition of ${resource.kind} here`;
	const model = new Kind(resource);
	if (model.apiVersion !== resource.apiVersion) return `is of ${resource.apiVersion}, not ${model.apiVersion}`;
	try {
		model.validate();
		return "";
	} catch (error) {
		return error.message;
	}
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(fault)));
