// The scenario of test_clients.py, by grpc-go. Prints "waiting" when the last call has begun, then its findings as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (raw) Name() string                       { return "raw" }

var connection *grpc.ClientConn

func unary(ctx context.Context, method string, request []byte, options ...grpc.CallOption) ([]byte, *status.Status) {
	var response []byte
	err := connection.Invoke(ctx, "/test.Echo/"+method, &request, &response, options...)
	return response, status.Convert(err)
}

func stream(ctx context.Context, method string) grpc.ClientStream {
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	opened, err := connection.NewStream(ctx, both, "/test.Echo/"+method)
	if err != nil {
		panic(err)
	}
	return opened
}

func read(stream grpc.ClientStream) ([]byte, int) {
	var data []byte
	if err := stream.RecvMsg(&data); err != nil {
		if err.Error() == "EOF" {
			return nil, 0
		}
		return nil, int(status.Code(err))
	}
	return data, -1
}

func main() {
	var err error
	connection, err = grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		panic(err)
	}
	found := map[string]any{}
	background := context.Background()
	small, large := bytes.Repeat([]byte("a"), 1_000), bytes.Repeat([]byte("b"), 200_000)
	answer, _ := unary(background, "echo", small)
	found["small"] = bytes.Equal(answer, small)
	answer, _ = unary(background, "echo", large)
	found["large"] = bytes.Equal(answer, large)

	echo := stream(background, "echo")
	go func() {
		for i := range 500 {
			text := fmt.Appendf(nil, "message %d", i)
			_ = echo.SendMsg(&text)
		}
		_ = echo.CloseSend()
	}()
	whole := true
	for i := range 500 {
		text, _ := read(echo)
		whole = whole && string(text) == fmt.Sprintf("message %d", i)
	}
	found["stream"] = whole
	_, found["stream_status"] = read(echo)

	flood := stream(background, "flood")
	_ = flood.CloseSend()
	time.Sleep(200 * time.Millisecond) // the windows fill up
	whole = true
	for i := range 64 {
		data, _ := read(flood)
		whole = whole && bytes.Equal(data, bytes.Repeat([]byte{byte(i)}, 65_536))
	}
	found["flood"] = whole
	_, found["flood_status"] = read(flood)

	_, refused := unary(background, "refuse", small)
	found["refused"] = []any{refused.Code(), refused.Message()}
	found["details"] = strings.Contains(refused.Proto().String(), "CHANNEL_NOT_FOUND")
	_, unknown := unary(background, "nothing", small)
	found["unknown"] = unknown.Code()
	_, compressed := unary(background, "echo", large, grpc.UseCompressor(gzip.Name))
	found["compressed"] = compressed.Code()
	short, stop := context.WithTimeout(background, 200*time.Millisecond)
	_, late := unary(short, "wait", small)
	found["deadline"] = late.Code()
	stop()
	_, tooLarge := unary(background, "echo", make([]byte, 300_000))
	found["too_large"] = tooLarge.Code()

	cancellable, cancel := context.WithCancel(background)
	cancelled := stream(cancellable, "wait")
	read(cancelled)
	cancel()
	_, found["cancelled"] = read(cancelled)
	answer, _ = unary(background, "echo", small)
	found["after"] = bytes.Equal(answer, small)

	last := stream(background, "wait")
	read(last)
	fmt.Println("waiting")
	_, found["drained"] = read(last)
	out, _ := json.Marshal(found)
	fmt.Println(string(out))
}
