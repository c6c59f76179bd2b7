"""Names of columns by what they hold, as tools that log requests write them."""

NAMES: dict[str, tuple[str, ...]] = {
    "prompt": (
        "ContextTokens",  # Azure
        "prompt_tokens",  # OpenAI, LiteLLM, Helicone, GuideLLM
        "input_tokens",  # Anthropic, OpenTelemetry, ServeGen
        "uncached_input_tokens",  # Anthropic's usage report
        "usage_input_tokens_no_cache",  # Anthropic's console
        "request_tokens",  # BurstGPT
        "num_prefill_tokens",  # Vidur
        "num_prompt_tokens",
        "num_input_tokens",
        "n_prompt_tokens",
        "in_tokens",
        "prompt_token",
        "number_input_tokens",  # LLMPerf
        "prompt_len",  # vLLM
        "prompt_length",
        "prompt_size",  # Splitwise
        "input_len",
        "input_length",  # Mooncake, Bailian
        "input_sequence_length.value",  # AIPerf
        "input_sequence_length",
        "isl",
        "prompt_token_count",  # Gemini
        "input_token_count",  # Bedrock
        "token_count.prompt",  # OpenInference
        "prompt_eval_count",  # Ollama
        "native_tokens_prompt",  # OpenRouter, by the LLM's own tokenizer
        "tokens_prompt",  # OpenRouter
        "tokens_in",  # Cloudflare
        "genai_tokens_input",  # Envoy
        "request_units",  # Portkey
        "message_tokens",  # Dify
        "ai_input_tokens",  # PostHog
        "tokens.input",  # opencode
        "input_wo_cache_write",  # Cursor
        "n_context_tokens_total",  # OpenAI's usage until 2024
        "processed_prompt_tokens",  # Azure Monitor
        "input_usage",  # Langfuse
        "usage.input",
        "usage_details.input",
    ),
    "output": (
        "GeneratedTokens",
        "completion_tokens",
        "output_tokens",
        "response_tokens",
        "num_decode_tokens",
        "num_generated_tokens",
        "num_output_tokens",
        "n_completion_tokens",
        "n_output_tokens",
        "out_tokens",
        "completion_token",
        "number_output_tokens",
        "output_len",
        "output_length",
        "generate_len",
        "gen_len",
        "token_size",
        "output_sequence_length.value",
        "output_sequence_length",
        "osl",
        "usage_output_tokens",
        "candidates_token_count",
        "output_token_count",
        "token_count.completion",
        "eval_count",
        "native_tokens_completion",
        "tokens_completion",
        "tokens_out",
        "genai_tokens_output",
        "response_units",
        "answer_tokens",
        "ai_output_tokens",
        "tokens.output",
        "n_generated_tokens_total",
        "output_usage",
        "usage.output",
        "usage_details.output",
    ),
    "cached": (
        "cached_tokens",  # OpenAI, under prompt_tokens_details
        "input_cached_tokens",  # OpenAI's usage
        "cached_input_tokens",
        "cached_prompt_tokens",
        "num_cached_tokens",  # vLLM
        "prompt_cache_hit_tokens",  # DeepSeek
        "native_tokens_cached",
        "tokens_cached",
        "input_tokens.cached",  # Sentry
        "cache_read.input_tokens",  # OpenTelemetry
        "cache_read_tokens",
        "prompt_cache_read_tokens",  # Helicone
        "usage_details.input_cached_tokens",
        "usage_details.input_cache_read",
        "cache_read_input_tokens",  # Anthropic
        "cache_read_input_token_count",  # Bedrock
        "usage_input_tokens_cache_read",
        "input_token_details.cache_read",  # LangChain
        "prompt_token_details.cache_read",  # LangSmith
        "prompt_details.cache_read",  # OpenInference
        "cached_content_token_count",  # Gemini
        "n_cached_context_tokens_total",
        "ai_cache_read_input_tokens",
        "cache.read",  # opencode
        "cache_read",  # Cursor
    ),
    "written": (
        "cache_creation_input_tokens",  # Anthropic, beside input_tokens
        "cache_creation.input_tokens",
        "cache_creation_tokens",
        "cache_write_tokens",
        "cache_write_input_tokens",  # Bedrock
        "cache_write_input_token_count",
        "prompt_cache_write_tokens",
        "usage_details.input_cache_creation",
        "usage_input_tokens_cache_write_5m",
        "ai_cache_creation_input_tokens",
        "cache.write",
        "input_w_cache_write",
    ),
    "reasoning": (
        "thoughts_token_count",  # Gemini, beside candidates_token_count
        "reasoning_tokens",  # OpenAI, among completion_tokens; xAI, beside them
        "usage_details.output_reasoning_tokens",  # Langfuse, beside usage_details.output
        "usage_details.output_reasoning",
    ),
    "time": (
        "arrived_at",
        "arrival_time",
        "arrive_time",
        "arrival",
        "arrival_timestamp",
        "request_created_at",  # Helicone
        "request_time",
        "request_timestamp",
        "request_start",
        "request_start_time",
        "start_time_unix_nano",  # OpenTelemetry
        "start_time",  # LiteLLM, Langfuse, GuideLLM
        "started_at",
        "starting_at",  # Anthropic's usage report
        "start",
        "submit_time",
        "submitted_at",
        "received_at",
        "timestamp",
        "time_unix_nano",  # OpenTelemetry's logs
        "event_time",
        "created_at",  # OpenRouter
        "create_time",  # Vertex
        "created",
        "time_generated",  # Azure
        "processed_time",
        "logging_time",
        "aggregation_timestamp",
        "bucket_start",
        "timestamp_hour",
        "datetime",
        "date",  # Langdock
        "time",
        "ts",
        "asctime",
    ),
    "count": (
        "num_model_requests",  # OpenAI's usage
        "n_requests",
        "successful_requests",  # LiteLLM's daily activity
        "request_count",
        "requests_count",
        "num_requests",
        "requests",  # OpenRouter's activity
        "api_requests",
        "azure_open_ai_requests",
        "invocations",  # Bedrock's metrics
        "count_observations",  # Langfuse's daily metrics
    ),
    "status": (
        "status",
        "success",
        "response_status",
        "response_status_code",  # Portkey
        "response_code",  # Envoy
        "status_code",
        "status.code",  # OpenTelemetry
        "http_status",
        "cancelled",
        "was_cancelled",  # AIPerf
        "error",
        "is_error",
        "error_code",
        "error.code",
        "error_type",
        "error.type",
        "error_message",
        "error.message",
        "error_msg",
        "finish_reason",
        "finish_reason_normalized",  # OpenRouter
        "level",  # Langfuse
        "kind",  # Cursor
    ),
    "kind": (
        "run_type",  # LangSmith
        "span_kind",  # Phoenix
        "span.kind",  # OpenInference
        "operation.name",  # OpenTelemetry
        "call_type",  # LiteLLM
        "operation",
    ),
    "source": ("cache_hit", "cache_status", "cached"),  # LiteLLM, Portkey, Cloudflare
    "id": (
        "message.id",  # Claude Code, a line for each part of a message
        "request_id",
        "x_request_id",
        "generation_id",
        "span_id",
        "id",
    ),
}
"""What is read of a request, and the names under which it is found, first what is meant first.

A name with a dot is a field of a structure; capitals and separators do not matter."""
PLAIN = {
    "prompt": ("prompt", "input", "context"),
    "output": ("output", "completion", "response", "generated"),
}
"""Whole names of columns that hold counts or texts, which are read where no other is and most cells
are numbers."""
TOTALS = (
    "total_tokens",
    "total_token_count",
    "token_count.total",
    "total_usage",
    "total_units",
    "usage.total",
    "usage_details.total",
)
"""Columns of prompt and output tokens together, which tell what is among them."""
ASIDE = ("breakdown", "billedunits", "cost", "costs", "costdetails", "pricing")
"""Structures that hold parts of a sum once more, or what tokens cost."""
