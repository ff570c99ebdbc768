// The scenario of test_clients.py, by grpc-js. Prints "waiting" when the last call has begun, then its findings as JSON.
"use strict";
const grpc = require("@grpc/grpc-js");

const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
const gzipping = new grpc.Client(process.argv[2], grpc.credentials.createInsecure(), {
  "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
});
const bytes = (x) => x;

function unary(method, request, options = {}, by = client) {
  return new Promise((resolve) => {
    by.makeUnaryRequest(`/test.Echo/${method}`, bytes, bytes, request, new grpc.Metadata(), options, (error, response) =>
      resolve(error ? { code: error.code, details: error.details, metadata: error.metadata } : { code: 0, response }));
  });
}

function stream(method, options = {}) {
  const call = client.makeBidiStreamRequest(`/test.Echo/${method}`, bytes, bytes, options);
  const got = [];
  call.on("error", () => {});
  const ended = new Promise((resolve) => call.on("status", (status) => resolve(status.code)));
  call.on("data", (data) => got.push(data));
  return { call, got, ended };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const next = (call) => new Promise((resolve) => call.once("data", resolve));

async function main() {
  const found = {};
  const small = Buffer.alloc(1_000, "a"), large = Buffer.alloc(200_000, "b");
  found.small = (await unary("echo", small)).response.equals(small);
  found.large = (await unary("echo", large)).response.equals(large);

  const echo = stream("echo");
  for (let i = 0; i < 500; i++) echo.call.write(Buffer.from(`message ${i}`));
  echo.call.end();
  found.stream_status = await echo.ended;
  found.stream = echo.got.length === 500 && echo.got.every((data, i) => data.toString() === `message ${i}`);

  const flood = stream("flood");
  flood.call.end();
  flood.call.pause();
  await pause(200); // the windows fill up
  flood.call.resume();
  found.flood_status = await flood.ended;
  found.flood = flood.got.length === 64 && flood.got.every((data, i) => data.equals(Buffer.alloc(65536, i)));

  const refused = await unary("refuse", small);
  found.refused = [refused.code, refused.details];
  found.details = refused.metadata.get("grpc-status-details-bin")[0].includes("CHANNEL_NOT_FOUND");
  found.unknown = (await unary("nothing", small)).code;
  found.compressed = (await unary("echo", large, {}, gzipping)).code;
  found.deadline = (await unary("wait", small, { deadline: Date.now() + 200 })).code;
  found.too_large = (await unary("echo", Buffer.alloc(300_000))).code;

  const cancelled = stream("wait");
  await next(cancelled.call);
  cancelled.call.cancel();
  found.cancelled = await cancelled.ended;
  found.after = (await unary("echo", small)).response.equals(small);

  const last = stream("wait");
  await next(last.call);
  console.log("waiting");
  found.drained = await last.ended;
  console.log(JSON.stringify(found));
  client.close();
  gzipping.close();
}

main();
