// SPDX-License-Identifier: EUPL-1.2

/** One JSON object on one line. */
final class Json {
    private final StringBuilder text = new StringBuilder("{");

    Json put(String name, Object value) {
        text.append(text.length() > 1 ? ", " : "").append(quoted(name)).append(": ");
        text.append(value instanceof Boolean || value instanceof Number ? value.toString()
                : value == null ? "null" : quoted(value.toString()));
        return this;
    }

    private static String quoted(String value) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : value.toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < 0x20) {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    @Override
    public String toString() {
        return text + "}";
    }
}
